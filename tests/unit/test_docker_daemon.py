"""The daemon: what it needs, and who owns which key of its configuration."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.plan import Plan
from torchrack.docker.daemon_json import dump
from torchrack.docker.daemon_step import has_taken, next_step
from torchrack.facts.docker import Daemon, DaemonState
from torchrack.operations import daemon


def _file(text: str) -> str:
    return "File=+" + base64.b64encode(text.encode()).decode()


OUTPUT = [
    "MainPID=606",
    "ExecMainStartTimestampMonotonic=2483821347",
    "LoadState=loaded",
    "ActiveState=active",
    "UnitFileState=enabled",
    "NeedDaemonReload=no",
    "Process=606-2483821347",
    "Now=1763724600.500000000",
    "Uptime=2600.50",
    "Mode=644 root",
    "Changed=1763724480.250000",
    _file('{"icc": false}\n'),
    _file('{"docker": {"icc": false}}'),
    "File=",
]
RUNNING = Daemon().process(OUTPUT)
BARE = Daemon().process(
    [
        "MainPID=0",
        "ExecMainStartTimestampMonotonic=0",
        "LoadState=not-found",
        "ActiveState=inactive",
        "NeedDaemonReload=no",
        "Process=0-0",
        "Now=1763724600.5",
        "Uptime=2600.50",
        "Mode=",
        "Changed=",
        "File=",
        "File=",
        "File=",
    ]
)


def test_the_fact_places_the_start_on_the_clock() -> None:
    assert RUNNING.started == pytest.approx(1763724600.5 - 2600.5 + 2483.821347)
    assert RUNNING.process == "606-2483821347"
    assert (RUNNING.daemon_json, RUNNING.taken) == ('{"icc": false}\n', None)
    assert (BARE.daemon_json, BARE.changed, BARE.mode) == (None, 0, "")


STEPS: list[tuple[str, dict[str, object], str]] = [
    ("started after the file", {}, "none"),
    ("file newer, nothing known", {"changed": RUNNING.started + 1}, "restart"),
    (
        "touched only",
        {"changed": RUNNING.started + 1, "taken": '{"icc":false}'},
        "none",
    ),
    ("killed before the restart", {"taken": '{"icc": true}'}, "restart"),
    (
        "killed before the reload",
        {"taken": "{}", "daemon_json": '{"labels": ["a=1"]}'},
        "reload",
    ),
    ("broken memory", {"taken": "{"}, "restart"),
    ("stopped", {"active": "inactive"}, "start"),
    ("failed", {"active": "failed"}, "start"),
    ("unit changed on disk", {"needs_reload": True}, "restart"),
]


@pytest.mark.parametrize(("change", "expected"), [pytest.param(c[1], c[2], id=c[0]) for c in STEPS])
def test_next_step(change: dict[str, object], expected: str) -> None:
    assert next_step(replace(RUNNING, **change)) == expected  # type: ignore[arg-type] # a table


def test_what_the_daemon_has_read_is_known_only_where_that_is_certain() -> None:
    assert has_taken(RUNNING)
    assert not has_taken(replace(RUNNING, changed=RUNNING.started + 1))
    assert not has_taken(replace(RUNNING, taken="{}"))
    assert not has_taken(replace(RUNNING, active="inactive"))
    assert not has_taken(BARE)
    assert has_taken(replace(RUNNING, daemon_json=None, changed=0)), "there never was a file"
    assert not has_taken(replace(RUNNING, daemon_json=None, changed=RUNNING.started + 1))


def _plan_json(plan: Plan, now: DaemonState, declared: dict[str, object]) -> list[str]:
    # The nested put asks for the file itself: it is told that there is none, so that it writes.
    return plan(daemon.daemon_json, now, owner="docker", declared=declared)


def test_nothing_is_written_where_the_keys_are_there(plan: Plan) -> None:
    assert _plan_json(plan, RUNNING, {"icc": False}) == []


@pytest.mark.parametrize(
    "broken", ['{"icc": false,}', "[]", "# icc\n"], ids=["comma", "list", "comment"]
)
def test_a_file_that_is_not_an_object_stops_the_host_and_stays(plan: Plan, broken: str) -> None:
    (command,) = _plan_json(plan, replace(RUNNING, daemon_json=broken), {"icc": False})
    assert command.startswith("false # "), "nothing runs on the host"
    assert "/etc/docker/daemon.json" in command
    assert "it was not touched" in command


def test_a_running_daemon_is_left_alone(plan: Plan) -> None:
    assert plan(daemon.running, RUNNING) == []


def test_a_disabled_unit_is_enabled_without_a_restart(plan: Plan) -> None:
    (script,) = plan(daemon.running, replace(RUNNING, enabled="disabled"))
    assert "systemctl enable docker.service" in script
    assert "\nif restart" not in script


def test_a_daemon_that_refuses_its_file_gets_the_old_one_back(plan: Plan) -> None:
    changed = replace(RUNNING, taken=dump({"icc": True}))
    (script,) = plan(daemon.running, changed)
    assert "if restart restart; then" in script
    assert 'dir="/run/torchrack/docker/606-2483821347"' in script
    assert 'back "$copy" /etc/docker/daemon.json "$dir/absent"' in script


@pytest.mark.parametrize("live_restore", [True, False])
def test_live_restore_is_reloaded_before_the_restart_that_needs_it(
    plan: Plan, live_restore: bool
) -> None:
    wanted = dump({"icc": False, "live-restore": live_restore})
    (script,) = plan(daemon.running, replace(RUNNING, taken="{}", daemon_json=wanted))
    assert ("if ! lives_on; then\n    reloaded || true" in script) is live_restore
    assert ("let go of live-restore" in script) is not live_restore


@pytest.mark.parametrize(
    ("lives", "running", "restarts"),
    [("true", "a b", True), ("false", "", True), ("false", "a b", False)],
    ids=["live-restore", "no container", "containers would stop"],
)
def test_no_container_is_stopped_by_a_restart(
    plan: Plan, tmp_path: Path, lives: str, running: str, restarts: bool
) -> None:
    """The script runs here, with programs in the place of Docker's and systemd's."""
    wanted = dump({"icc": False, "live-restore": True})
    (script,) = plan(daemon.running, replace(RUNNING, taken="{}", daemon_json=wanted))
    script = script.replace("/run/torchrack", f"{tmp_path}/run").replace("/etc", f"{tmp_path}/etc")
    programs = {
        "docker": f"case $1 in info) echo {lives} ;; "
        f"ps) for id in {running}; do echo $id; done ;; esac",
        "systemctl": f'echo "$*" >> {tmp_path}/said',
        "journalctl": "echo Reloaded configuration: userland-proxy-path is missing",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("restart docker.service" in (tmp_path / "said").read_text()) is restarts
    assert (done.returncode == 0) is restarts
    if not restarts:
        assert "2 running container(s) would stop" in done.stderr
        assert "userland-proxy-path is missing" in done.stderr


def test_without_a_unit_the_message_says_so(plan: Plan) -> None:
    (command,) = plan(daemon.running, BARE)
    assert "no such unit" in command
