"""``torchrack onboard`` all the way: ready with the proof, or not ready with the reasons."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.harness import BIN, INVENTORY, Done, Lab, wait_for
from tests.lab.leaks import holding, left_on, watched_arguments
from tests.lab.newcomers import Fleet, Server, ended, not_ready
from tests.lab.test_onboard_checks import KILLED_BEFORE_THE_DEPLOY
from torchrack.onboard.model import STEPS

LOST = "/run/nvidia-lab/state.json"
KILLED = ("deploy", "gpu", "state")
"""Steps in which a run is killed here."""


@pytest.fixture(scope="module")
def home(bare_lab: Lab) -> Fleet:
    """The fleet that the servers of this file join; it is kept and removed as they are."""
    return Fleet(bare_lab, bare_lab.folder / "onboarded")


@pytest.fixture(scope="module")
def fresh(bare_lab: Lab) -> Iterator[Server]:
    """A bare server with two GPUs."""
    server = Server(bare_lab, "fresh", "--gpus", "h200:2")
    yield server
    server.remove()


@pytest.fixture(scope="module")
def arrival(fresh: Server, home: Fleet) -> Done:
    """The one command."""
    known = ("--host-key", fresh.fingerprint)
    return home.onboard(fresh, *known, "--json", *fresh.first.options, timeout=900)


@pytest.fixture(scope="module")
def ready(fresh: Server, arrival: Done) -> Server:
    """The same server, which is ready."""
    assert arrival.rc == 0, arrival.output
    return fresh


def told(done: Done) -> dict[str, Any]:
    """What the run says of its one server."""
    (server,) = json.loads(done.stdout)["servers"]
    return dict(server)


def states(done: Done) -> dict[str, str]:
    return {step["name"]: step["state"] for step in told(done)["steps"]}


def test_from_bare_to_ready_in_one_command(fresh: Server, home: Fleet, arrival: Done) -> None:
    ended(arrival, 0)
    assert told(arrival)["verdict"] == "ready"
    assert set(states(arrival).values()) == {"done"}
    assert fresh.root("docker ps --format '{{.Names}}'").split() == ["notebook"]
    assert fresh.name in home.hosts_file.read_text()


def test_the_check_that_comes_next_finds_nothing(ready: Server, home: Fleet) -> None:
    done = home.run(BIN / "torchrack", "drift", INVENTORY, "--host", ready.name, check=False)
    ended(done, 0)
    assert "nothing differs" in done.text


def test_the_pages_hold_the_proof(ready: Server, home: Fleet) -> None:
    uuids = ready.root("nvidia-smi --query-gpu=uuid --format=csv,noheader").split()
    assert len(uuids) == 2
    for kind in ("md", "html"):
        page = (home.reports / f"{ready.name}.{kind}").read_text()
        # Markdown may escape what stands in a fingerprint.
        wanted = (*uuids, ready.address, "580.159.04")
        assert [text for text in wanted if text not in page] == [], kind


def test_onboarded_twice_and_killed_in_between(ready: Server, home: Fleet) -> None:
    """Each run goes on, proves it anew, and changes nothing."""
    files = home.files()
    for before in KILLED[:-1]:  # a step is told when it ends
        run = home.start(*home.asked(ready))
        run.wait_for(ready.name, f"  {before} ")
        run.kill()
        assert home.files() == files
    again = home.onboard(ready, "--json", timeout=600)
    ended(again, 0)
    changing = ("host-key", "login", "admin", "inventory", "lock", "deploy")
    assert [states(again)[name] for name in changing] == ["already"] * len(changing)
    assert home.files() == files


def test_one_gpu_of_two_is_dead(ready: Server, home: Fleet) -> None:
    ready.root(f"""echo '{{"gpus": {{"1": {{"lost": true}}}}}}' > {LOST}""")
    try:
        done = home.onboard(ready, timeout=600)
    finally:
        ready.root(f"rm {LOST}")
    not_ready(done, "GPU 1 (0000:4c:00.0) lost", "2 healthy ones, as on the PCI bus")
    page = (home.reports / f"{ready.name}.md").read_text()
    assert "not ready" in page
    assert "GPU 1" in page


@pytest.fixture(scope="module")
def ubuntu(bare_lab: Lab) -> Iterator[Server]:
    """A bare Ubuntu with one GPU, whose provider mailed a password."""
    order = ("--os", "ubuntu2404", "--gpus", "rtx4090:1", "--login", "password")
    server = Server(bare_lab, "ubuntu", *order)
    yield server
    server.remove()


def test_no_step_is_left_out_of_those_that_runs_are_killed_in() -> None:
    assert (*KILLED_BEFORE_THE_DEPLOY, *KILLED) == STEPS


def test_killed_in_the_first_deploy_and_started_again(ubuntu: Server, home: Fleet) -> None:
    """By password to an Ubuntu; the second run ends in a server that is ready.

    The secrets show nowhere in all this: neither in an argument, nor in what it leaves behind.
    """
    asked = (*home.asked(ubuntu), "--trust-on-first-use", *ubuntu.first.by_password)
    password = ubuntu.first.password
    pull = Path(home.state["registry"]["pull_password_file"]).read_text().strip()
    with watched_arguments(ubuntu.lab, password, pull) as seen:
        run = home.start(*asked)
        run.wait_for("deploy: sshd")
        wait_for(lambda: bool(ubuntu.root("pgrep -x dpkg", check=False)), "dpkg to unpack a driver")
        run.kill()
        done = home.run(*home.command(*asked, "--json"), timeout=900, check=False)
    ended(done, 0)
    assert told(done)["verdict"] == "ready"
    assert states(done)["admin"] == "already"
    assert seen.looks > 100
    assert seen.found == []
    for secret in (password, pull):
        assert secret not in "".join([*run.heard, done.output])
        assert holding(secret, home.folder, Path(home.environment["XDG_CACHE_HOME"])) == []
    assert left_on(ubuntu, password) == []


def test_a_password_that_shows_is_seen(ubuntu: Server, tmp_path: Path) -> None:
    """What looks for it finds it, where it was put."""
    password = ubuntu.first.password
    (tmp_path / "notes").write_text(f"it is {password}!")
    assert holding(password, tmp_path) == [tmp_path / "notes"]
    ubuntu.root(f"echo 'it is {password}' > /var/log/careless")
    assert left_on(ubuntu, password) == ["/var/log/careless"]
    ubuntu.root("rm /var/log/careless")
    with watched_arguments(ubuntu.lab, password) as seen:
        command = ["sh", "-c", 'read -r _ || : "$1"', "sh", password]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as careless:
            wait_for(lambda: bool(seen.found), "the argument to be seen", timeout=30)
            careless.communicate(b"\n")
