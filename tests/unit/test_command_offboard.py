"""``torchrack offboard`` asks twice, refuses what is not meant, and tells what came of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from torchrack import hosts_file
from torchrack.cli import app
from torchrack.commands import offboard as command
from torchrack.errors import Problem
from torchrack.inventory import FleetHost
from torchrack.offboard.model import Options, Outcome, Plan, Presence, Step
from torchrack.offboard.run import Seen

INVENTORY = """\
from torchrack.inventory import check_fleet, hosts_of

gpu = hosts_of(__file__, "gpu", user="admin")
check_fleet(__file__, globals())
"""
HOSTS = "gpu:\n  gpu01:\n    address: 192.0.2.11\n  gpu02:\n    address: 192.0.2.12\n"
GONE = Problem("gpu02", "Facts of the host", "no answer in time", "an answer", "look at it")
STEP = Step("containers", ("DELETE the volume data with its data",), "true")
SEEN = Seen(Presence(), Plan("", (STEP,), ("container theirs, which is not ours",)))


class Fleet:
    """Two hosts; ``answers`` is what comes of logging in to each."""

    def __init__(self, folder: Path) -> None:
        self.inventory = folder / "rack.py"
        self.inventory.write_text(INVENTORY)
        (folder / "rack.hosts.yml").write_text(HOSTS)
        (folder / "rack.known_hosts").write_text("")
        self.answers: dict[str, Any] = {"gpu01": SEEN, "gpu02": SEEN}
        self.asked: list[Options] = []

    def across(
        self, hosts: Sequence[FleetHost], _work: Callable[..., Any], *_: Any, **__: Any
    ) -> dict[str, Any]:
        return {host.name: self.answers[host.name] for host in hosts}

    def run(self, *arguments: str, said: str | None = None) -> Any:
        words = ["offboard", str(self.inventory), *arguments]
        return CliRunner().invoke(app, words, input=said, env={"COLUMNS": "200"})

    def names(self) -> set[str]:
        return set(hosts_file.read(hosts_file.path_of(self.inventory)).get("gpu", {}))


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    fleet = Fleet(tmp_path)
    calls = 0

    def across(hosts: Sequence[FleetHost], work: Any, *more: Any, **other: Any) -> dict[str, Any]:
        """The first round looks, the second one does it."""
        nonlocal calls
        calls += 1
        found = fleet.across(hosts, work)
        if calls == 1:
            return found
        return {name: Outcome(name, ("done",), ("this",)) for name in found}

    monkeypatch.setattr(command, "across", across)
    return fleet


@pytest.fixture
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    there = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(command, "sys", SimpleNamespace(stdin=there, stderr=sys.stderr))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gpu01",), "nobody can be asked here: give --yes and --confirm NAME, or --dry-run"),
        (("gpu01", "--yes"), "--yes needs --confirm gpu01"),
        (
            ("gpu01", "gpu02", "--yes", "--confirm", "gpu02"),
            "--yes needs --confirm gpu01",
        ),
        (("gpu01", "--yes", "--confirm", "gpu02"), "--confirm gpu02: no server that is to leave"),
        (("gpu01", "--wait", "soon"), "--wait soon: a number and a unit"),
        (("gpu99", "--dry-run"), "no host gpu99 in the inventory; it has gpu01, gpu02"),
        (("gpu01", "--yes", "--confirm", "gpu01", "--unreachable"), "gpu01 can be logged in to"),
    ],
)
def test_refuses_what_is_not_meant(fleet: Fleet, arguments: tuple[str, ...], message: str) -> None:
    result = fleet.run(*arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert fleet.names() == {"gpu01", "gpu02"}


@pytest.mark.usefixtures("at_a_terminal")
@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("n\n", "not confirmed; nothing was changed"),
        ("y\ngpu02\n", "that is not gpu01; nothing was changed"),
        ("y\nyes\n", "that is not gpu01; nothing was changed"),
        ("", "Abort"),
    ],
)
def test_asks_twice(fleet: Fleet, said: str, message: str) -> None:
    result = fleet.run("gpu01", said=said)
    assert result.exit_code == 1
    assert message in result.output
    assert fleet.names() == {"gpu01", "gpu02"}


@pytest.mark.usefixtures("at_a_terminal")
def test_shows_the_plan_and_leaves_after_both_answers(fleet: Fleet) -> None:
    result = fleet.run("gpu01", said="y\ngpu01\n")
    assert result.exit_code == 0, result.output
    assert "DELETE the volume data with its data" in result.output
    assert "stays: container theirs, which is not ours" in result.output
    assert "gpu01 has left the fleet" in result.output
    assert fleet.names() == {"gpu02"}


def test_no_server_steers_the_terminal(fleet: Fleet) -> None:
    plan = Plan("gpu01", (), ("container \x1b[2Jtheirs, which is not ours",))
    fleet.answers["gpu01"] = Seen(Presence(), plan)
    result = fleet.run("gpu01", "--dry-run")
    assert "theirs, which is not ours" in result.output
    assert "\x1b" not in result.output


def test_a_plan_for_machines(fleet: Fleet) -> None:
    result = fleet.run("gpu01", "--dry-run", "--json")
    assert result.exit_code == 0
    plan = json.loads(result.stdout)["plans"][0]
    does = ["DELETE the volume data with its data"]
    assert plan["steps"] == [{"name": "containers", "does": does}], "no script"
    assert fleet.names() == {"gpu01", "gpu02"}


def test_a_host_that_does_not_answer_stops_all_before_the_first_change(fleet: Fleet) -> None:
    fleet.answers["gpu02"] = GONE
    result = fleet.run("gpu01", "gpu02", "--yes", "--confirm", "gpu01,gpu02")
    assert result.exit_code == 1
    assert "no answer in time" in result.output
    assert "nothing was changed" in result.output
    assert fleet.names() == {"gpu01", "gpu02"}


def test_a_host_that_is_gone(fleet: Fleet) -> None:
    fleet.answers["gpu02"] = GONE
    result = fleet.run("gpu02", "--yes", "--confirm", "gpu02", "--unreachable", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["hosts"][0]["fleet"] == [
        f"gpu02 is out of {hosts_file.shown(hosts_file.path_of(fleet.inventory))}"
    ]
    assert fleet.names() == {"gpu01"}


def test_a_step_that_fails_keeps_its_host_in_the_fleet(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([{"gpu01": SEEN}, {"gpu01": GONE}])
    monkeypatch.setattr(command, "across", lambda *_, **__: next(answers))
    result = fleet.run("gpu01", "--yes", "--confirm", "gpu01")
    assert result.exit_code == 1
    assert "Not offboarded" in result.output
    assert fleet.names() == {"gpu01", "gpu02"}
