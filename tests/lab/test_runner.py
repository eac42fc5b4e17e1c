"""torchrack deploy and drift fix on real hosts: the plain command, and what it lacks."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.harness import BIN, INVENTORY, ROOT, Done, Lab, wait_for
from torchrack.docker.client import CONFIG

HOST = "gpu01"


def deploy(lab: Lab, *arguments: str, inventory: str = INVENTORY) -> Done:
    return lab.run(BIN / "torchrack", "deploy", inventory, *arguments, check=False)


def told(done: Done) -> dict[str, Any]:
    return json.loads(done.stdout)


def changed(done: Done) -> list[tuple[str, str]]:
    return [(one["host"], one["stage"]) for one in told(done)["changes"]]


@pytest.fixture(scope="module")
def calm(lab: Lab) -> Lab:
    lab.deploy()
    return lab


@pytest.fixture
def edited(calm: Lab) -> Iterator[str]:
    """A file that was changed by hand, and its path."""
    path = "/etc/modprobe.d/torchrack-nouveau.conf"
    calm.ssh(HOST, f"echo '# by hand' >> {path}")
    yield path
    calm.deploy()


def test_a_second_run_changes_nothing_whichever_command_ran_first(calm: Lab) -> None:
    first, second = deploy(calm, "--yes", "--json"), deploy(calm, "--yes", "--json")

    assert (first.rc, second.rc) == (0, 0), second.output
    assert (told(second)["verdict"], told(second)["changes"]) == ("done", [])
    assert calm.deploy().changed(HOST) == []
    assert "2 hosts: 0 changes made on 0 host(s)" in deploy(calm, "--yes").text


def test_a_plan_tells_the_change_and_makes_none(calm: Lab, edited: str) -> None:
    plan = deploy(calm, "--dry-run", "--json")

    assert plan.rc == 0, plan.output
    assert told(plan)["verdict"] == "planned"
    (change,) = [one for one in told(plan)["changes"] if one["operation"] == "Keep nouveau away"]
    assert change["host"] == HOST
    assert change["differences"][0]["resource"] == f"file:{edited}"
    assert "-# by hand" in change["differences"][0]["diff"]
    assert "# by hand" in calm.ssh(HOST, f"cat {edited}").stdout


def test_a_run_makes_it_and_shows_the_diff(calm: Lab, edited: str) -> None:
    done = deploy(calm, "--yes", "--json")

    assert done.rc == 0, done.output
    (change,) = [one for one in told(done)["changes"] if one["operation"] == "Keep nouveau away"]
    assert "-# by hand" in change["differences"][0]["diff"]
    assert "# by hand" not in calm.ssh(HOST, f"cat {edited}").stdout


def test_a_secret_is_never_shown(calm: Lab) -> None:
    password = Path(calm.state["registry"]["pull_password_file"]).read_text().strip()
    calm.ssh(HOST, f"echo '{{}}' > {CONFIG}/config.json")

    done = deploy(calm, "--yes", "--json", "--diff")

    assert (HOST, "images") in changed(done), done.output
    for form in (password, base64.b64encode(f"puller:{password}".encode()).decode()):
        assert form not in done.output


def test_drift_fix_runs_the_stages_concerned_alone(calm: Lab, edited: str) -> None:
    done = calm.run(BIN / "torchrack", "drift", "fix", INVENTORY, "base.*", "--yes", check=False)

    assert done.rc == 0, done.output
    assert "docker: " not in done.stderr
    assert "In sync: 2 hosts checked" in done.text
    assert "# by hand" not in calm.ssh(HOST, f"cat {edited}").stdout


def test_a_finding_that_is_not_there_can_not_be_fixed(calm: Lab) -> None:
    done = calm.run(BIN / "torchrack", "drift", "fix", INVENTORY, "nosuch", "-y", check=False)

    assert (done.rc, done.stdout) == (1, "")
    assert "no finding nosuch" in done.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--yes", "--limit", "gpu99"), "no host gpu99 in the inventory; it has gpu01, gpu02"),
        (("--yes", "--only", "dokcer"), "no stage dokcer; the stages are preflight, base"),
        ((), "nobody can be asked here: give --yes"),
        (("--yes", "--deploy", "nosuch.py"), "nosuch.py can't be loaded"),
    ],
)
def test_bad_input_is_refused(calm: Lab, arguments: tuple[str, ...], message: str) -> None:
    done = deploy(calm, *arguments)

    assert done.rc != 0
    assert message in done.text
    assert "Traceback" not in done.output


def test_an_empty_inventory_is_refused(calm: Lab, tmp_path: Path) -> None:
    done = deploy(calm, "--yes", inventory=calm.variant(tmp_path, "lab_hosts = []\n"))

    assert done.rc == 1
    assert "no host" in done.text


def test_a_host_that_is_away_does_not_stop_the_other(
    calm: Lab, tmp_path: Path, edited: str
) -> None:
    away = calm.variant(tmp_path, "lab_hosts[1][1]['ssh_port'] = 9\n")

    done = deploy(calm, "--yes", "--json", inventory=away)

    assert done.rc == 1
    assert {h["name"]: h["state"] for h in told(done)["hosts"]} == {
        "gpu01": "ok",
        "gpu02": "unreachable",
    }
    assert (HOST, "base") in changed(done)


def test_an_interrupted_run_says_so_and_can_be_repeated(calm: Lab) -> None:
    process = subprocess.Popen(
        [BIN / "torchrack", "deploy", INVENTORY, "--yes", "--json"],
        cwd=ROOT, env=calm.environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    heard: list[str] = []
    assert process.stderr is not None
    for text in process.stderr:
        heard.append(text)
        if text.startswith("base: "):
            process.send_signal(signal.SIGINT)
            break
    output, rest = process.communicate(timeout=60)

    assert process.returncode == 130, "".join(heard) + rest
    assert json.loads(output)["verdict"] == "interrupted"
    assert "Traceback" not in rest
    wait_for(lambda: deploy(calm, "--yes").rc == 0, "a run after the interrupted one")
