"""Units: running, enabled, and as new as their configuration."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.plan import Plan
from torchrack.facts.units import Unit, UnitState
from torchrack.operations import units

RUNNING = UnitState("loaded", "active", "enabled", 1000.0, False, 900.0)


def test_fact_reads_when_the_unit_last_changed() -> None:
    state = Unit().process(
        [
            "LoadState=loaded",
            "ActiveState=active",
            "UnitFileState=enabled",
            "StateChangeTimestampMonotonic=400000000",
            "NeedDaemonReload=no",
            "Now=5000.5",
            "Uptime=600.5",
            "NewestInput=4700.250000",
        ]
    )
    assert state == UnitState("loaded", "active", "enabled", 4800.0, False, 4700.25)


def test_nothing_to_do(plan: Plan) -> None:
    assert plan(units.unit, RUNNING, unit="docker.service", inputs=("/etc/x",)) == []


@pytest.mark.parametrize(
    ("state", "arguments", "expected"),
    [
        (replace(RUNNING, active="inactive"), {}, "systemctl start -- docker.service"),
        (replace(RUNNING, active="failed"), {}, "systemctl start -- docker.service"),
        (replace(RUNNING, enabled="disabled"), {}, "systemctl enable -- docker.service"),
        (RUNNING, {"running": False}, "systemctl stop -- docker.service"),
        (replace(RUNNING, newest_input=1001.0), {}, "systemctl restart -- docker.service"),
        (
            replace(RUNNING, newest_input=1001.0),
            {"on_new_input": "reload"},
            "systemctl reload -- docker.service",
        ),
        (replace(RUNNING, needs_reload=True), {}, "systemctl daemon-reload"),
    ],
)
def test_steps(plan: Plan, state: UnitState, arguments: dict[str, object], expected: str) -> None:
    (command,) = plan(units.unit, state, unit="docker.service", **arguments)
    assert expected in command.splitlines()


def test_a_unit_that_is_not_there(plan: Plan) -> None:
    (command,) = plan(units.unit, replace(RUNNING, load="not-found"), unit="docker.service")
    assert "no such unit" in command
