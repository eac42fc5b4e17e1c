"""dockerd does not start with the daemon.json that a deploy wrote, for a reason nobody foresaw.

The way back was taken only where a memory of ours said what the daemon had read. Without a file, or
with a folder that was touched since, Docker stayed dead ("Start request repeated too quickly") and
the new file stayed. Where there was a memory, the daemon that came back ended the containers that
live-restore had kept: "Exited (137)", and no restart policy starts those.

Reference: https://github.com/moby/moby/issues/38242
Reference: https://github.com/moby/moby/issues/26076
Kind: a way back that is not taken, or does harm.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cases.engines import engine
from tests.lab.harness import Lab
from tests.unit.plan import Plan
from torchrack.facts.docker import DAEMON_JSON, Daemon, DaemonState
from torchrack.operations import daemon, files

NEW = {"icc": False, "live-restore": True}
BROKEN = {"live-restore": True, "features": {"cdi": True}, "seccomp-profile": "/nonexistent.json"}
DOCKERD = "[ ! -e refuses ] || { echo Status: unknown flag: --graph; exit 125; }"
DOCKER = """case $1 in
info) cat live ;;
ps) echo c0ffee ;;
esac"""
SYSTEMCTL = """echo "$*" >> said
case "$*" in
*MainPID*) echo 707 ;;
*Monotonic*) echo 9 ;;
"reload docker.service") grep -q 'live-restore": true' etc/docker/daemon.json && echo true > live
    grep -q 'live-restore": false' etc/docker/daemon.json && echo false > live ;;
"restart docker.service"|"start docker.service")
    ! grep -qs icc etc/docker/daemon.json || exit 1
    # A daemon without live-restore ends what one with it has left alive.
    if [ "$(cat live)" = true ] && ! grep -qs 'live-restore": true' etc/docker/daemon.json; then
        echo ended > containers
    fi ;;
esac
exit 0"""


@pytest.fixture
def apply(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a deploy's two steps here, with programs in the place of Docker's and systemd's."""
    monkeypatch.setattr(files, "gather", lambda *_, **kwargs: dict.fromkeys(kwargs["paths"]))
    for name, text in {"docker": DOCKER, "dockerd": DOCKERD, "systemctl": SYSTEMCTL}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\ncd {tmp_path}\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "journalctl").write_text("#!/bin/sh\necho Reloaded configuration\n")
    (tmp_path / "journalctl").chmod(0o755)
    (tmp_path / "containers").write_text("alive")
    place = tmp_path / "etc/docker/daemon.json"
    place.parent.mkdir(parents=True)

    def run(script: str) -> subprocess.CompletedProcess[str]:
        for folder in ("/run/torchrack", "/etc/docker", "/etc/torchrack"):
            script = script.replace(folder, f"{tmp_path}{folder}")
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        return subprocess.run(
            ["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=False
        )

    def applied(now: DaemonState, *, live: bool) -> tuple[str | None, str, str]:
        (tmp_path / "live").write_text(str(live).lower())
        if now.daemon_json is not None:
            place.write_text(now.daemon_json)
        (remember, *_) = plan(daemon.daemon_json, now, owner="docker", declared=NEW)
        assert run(remember).returncode == 0
        new = json.dumps({**json.loads(now.daemon_json or "{}"), **NEW})
        place.write_text(new)
        before = now.daemon_json or "{}"
        known = {"before": before} if now.changed > now.started else {"taken": before}
        after = replace(now, daemon_json=new, changed=2000.0, **known)
        (script,) = plan(daemon.running, after)
        done = run(script)
        assert done.returncode == 1, "the run has failed, and says so"
        asked = tmp_path / "said"
        said = done.stderr + (asked.read_text() if asked.exists() else "")
        file = place.read_text() if place.exists() else None
        return file, said, (tmp_path / "containers").read_text().strip()

    return applied


KNOWN = {"started after the file": 0.0, "nothing known of it": 1500.0}


@pytest.mark.parametrize("changed", KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize(
    ("file", "live"),
    [(None, False), ({"debug": True}, False), ({"debug": True, "live-restore": True}, True)],
    ids=["no file", "no live-restore", "live-restore"],
)
def test_the_engine_runs_as_before_and_its_containers_live(
    apply: Callable[..., Any], file: dict[str, Any] | None, live: bool, changed: float
) -> None:
    now = replace(engine(file), changed=changed)
    after, said, containers = apply(now, live=live)
    assert after == now.daemon_json
    assert containers == "alive"
    assert "runs again" in said
    assert "reset-failed docker.service docker.socket" in said


def test_flags_that_dockerd_does_not_know_stop_nothing(
    apply: Callable[..., Any], tmp_path: Path
) -> None:
    """A drop-in for another version of Docker, which nobody has started since."""
    (tmp_path / "refuses").write_text("")
    now = replace(engine({"debug": True}), changed=1500.0)
    after, said, containers = apply(now, live=False)
    assert (after, containers) == (now.daemon_json, "alive")
    assert "unknown flag: --graph" in said
    assert "restart docker.service" not in said


def test_an_engine_that_did_not_run_gets_its_file_back_too(apply: Callable[..., Any]) -> None:
    now = replace(engine({"debug": True}, info=None, roots=()), changed=1500.0)
    after, said, _ = apply(now, live=False)
    assert after == now.daemon_json
    assert "runs again" in said


@pytest.mark.parametrize("ran", [False, True], ids=["the last change", "a change long taken up"])
def test_an_upgrade_that_does_not_start_is_taken_back(tmp_path: Path, ran: bool) -> None:
    """With the file of before where Docker has not run since it was changed."""
    for name in ("kept", "taken/606-1", "bin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "kept/docker.io_26_amd64.deb").write_text("")
    (tmp_path / "taken/606-1/before.json").write_text("old")
    (tmp_path / "taken/606-1/changing").write_text("")
    (tmp_path / "daemon.json").write_text("new")
    programs = {
        "systemctl": f"""case "$*" in
            show*) echo {10**15 if ran else 0} | sed 's/^/ActiveEnterTimestampMonotonic=/' ;;
            is-active*) exit 3 ;;
            start*) [ -e {tmp_path}/installed ] ;; esac""",
        "journalctl": "",
        "apt-mark": "",
    }
    for name, text in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    words = {"wanted": "docker.io 27", "before": "docker.io 26", "names": "docker.io"}
    paths = {one: str(tmp_path / one) for one in ("kept", "taken", "owned")}
    file = tmp_path / "daemon.json"
    script = files.render("docker/started.sh.j2", daemon_json=str(file), **words, **paths)
    apt = f'set -eu\napt() {{ echo "$@" > {tmp_path}/installed; }}\n'
    done = subprocess.run(
        ["/bin/sh", "-c", apt + script],
        env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "runs again with docker.io 26" in done.stderr
    assert "docker.io_26_amd64.deb" in (tmp_path / "installed").read_text()
    assert file.read_text() == ("new" if ran else "old")


def test_containers_live_through_the_way_back_of_a_real_engine(
    lab: Lab, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workloads of the host run on, as a container that is not ours does."""
    monkeypatch.setattr(files, "gather", lambda *_, **kwargs: dict.fromkeys(kwargs["paths"]))
    lives = (
        f"cat {DAEMON_JSON}; docker inspect -f '{{{{.Name}}}} {{{{.State.Pid}}}}' $(docker ps -q)"
    )
    ask = f"{Daemon().command()}\necho =; {lives}"

    def said(script: str) -> tuple[DaemonState, str, str]:
        done = lab.ssh("gpu02", f"( {script}\n)\n{ask}")
        state, _, rest = done.stdout.partition("\n=\n")
        return Daemon().process(state.splitlines()), rest, done.stderr

    try:
        now, before, _ = said(
            f"cp -p {DAEMON_JSON} /run/case.json; rm -rf /run/torchrack/docker\n"
            f'sed -i \'s/"live-restore": true/"live-restore": false/\' {DAEMON_JSON}\n'
            "systemctl reload docker.service\n"
            "image=$(docker images -q | tail -n 1)\n"
            "docker run -d --name case-prod --entrypoint sleep $image 1000 >/dev/null",
        )
        assert "case-prod" in before
        remember, *_ = plan(daemon.daemon_json, now, owner="docker", declared=BROKEN)
        written, _, _ = said(
            f"{remember}\nprintf %s {shlex.quote(json.dumps(BROKEN))} > {DAEMON_JSON}"
        )
        (script,) = plan(daemon.running, written)
        _, after, messages = said(script)
        assert "Docker runs again" in messages
        assert after == before
    finally:
        lab.ssh(
            "gpu02",
            f"docker rm -f case-prod; rm -f {DAEMON_JSON}.rejected\n"
            f"mv /run/case.json {DAEMON_JSON}; systemctl reload docker.service\n"
            f"cp -p {DAEMON_JSON} /run/torchrack/docker/*/daemon.json",
        )
