"""The lock and the deploy of all newcomers: what stops one of them, and what stops all."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from tests.unit.test_lock import group
from torchrack.connect import connection_data
from torchrack.contract.model import Answer, Conflict
from torchrack.errors import Problem, ProblemsError
from torchrack.inventory import FleetHost
from torchrack.lock import file
from torchrack.lock.build import build
from torchrack.lock.make import Made
from torchrack.lock.model import Lock, empty
from torchrack.lock.resolve import Locked
from torchrack.onboard import together
from torchrack.onboard.hosts_list import Row
from torchrack.onboard.joining import Joining
from torchrack.onboard.model import Newcomer
from torchrack.onboard.show import Show
from torchrack.onboard.work import Terms, Work
from torchrack.runner.model import Change, Failure, HostOutcome, Outcome
from torchrack.settings.model import merge

NOW = dt.datetime(2026, 11, 25, tzinfo=dt.timezone.utc)
DRIVER = Change("gpu07", "driver", "Install the driver", ())


def works(tmp_path: Path, *names: str) -> list[Work]:
    show = Show(Console(quiet=True), names, 12)
    terms = Terms(tmp_path / "fleet.py", Path("deploy.py"))
    return [
        Work(joining(tmp_path, name), None, terms, show, tmp_path / "known_hosts") for name in names
    ]


def joining(tmp_path: Path, name: str) -> Joining:
    data = connection_data(
        address=name, port=22, user="torchrack", known_hosts="k", key=None, agent=False
    )
    files = {"_lock_file": str(tmp_path / "fleet.lock.yml"), "_inventory_file": "fleet.py"}
    host = FleetHost(name, data | files, merge([]))
    return Joining(Newcomer(name, name, "u"), Row(name=name, address=name), host, False)


def states(found: list[Work], step: str) -> dict[str, str]:
    return {work.name: work.steps[step].state for work in found}  # type: ignore[index]


@pytest.fixture
def locking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Work]]:
    """``locking(names, made)``: what the step keeps, where the resolver says that."""

    def act(names: list[str], made: Callable[[Lock], Made]) -> list[Work]:
        found = works(tmp_path, *names)
        fleet = [work.host for work in found]
        monkeypatch.setattr(together, "load_fleet", lambda _path: fleet)
        monkeypatch.setattr(together, "exact", lambda hosts, _inventory: hosts)
        monkeypatch.setattr(together, "make", lambda _fleet, _chosen, old, **_more: made(old))
        together.lock(found, found[0].terms)
        return found

    return act


def made_of(*names: str, **more: Any) -> Callable[[Lock], Made]:
    def made(old: Lock) -> Made:
        entries = {name: group(name) for name in names}
        locked = {name: Locked(entry, Answer(None)) for name, entry in entries.items()}
        return Made(build(old, entries, {}, [*names, "gpu01"]), locked, **more)

    return made


def test_newcomers_are_locked_and_a_second_time_are_already(tmp_path: Path, locking: Any) -> None:
    first = locking(["gpu07", "gpu08"], made_of("gpu07", "gpu08"))
    written = (tmp_path / "fleet.lock.yml").read_text()
    second = locking(["gpu07", "gpu08"], made_of("gpu07", "gpu08"))

    assert states(first, "lock") == {"gpu07": "done", "gpu08": "done"}
    assert states(second, "lock") == {"gpu07": "already", "gpu08": "already"}
    assert (tmp_path / "fleet.lock.yml").read_text() == written
    assert "driver 580.105.08" in first[0].steps["lock"].said


def test_a_newcomer_of_equal_hosts_leaves_them_in_the_lock(tmp_path: Path, locking: Any) -> None:
    before = build(empty(), {"gpu01": group("gpu01")}, {}, ["gpu01"])
    file.write(tmp_path / "fleet.lock.yml", before, "fleet.py")

    locking(["gpu07"], made_of("gpu07"))

    lock = file.read(tmp_path / "fleet.lock.yml")
    assert lock is not None
    assert [one.hosts for one in lock.groups] == [("gpu01", "gpu07")]


def test_one_that_can_not_be_locked_stops_alone(tmp_path: Path, locking: Any) -> None:
    conflict = Conflict("rule", "no driver for it", "NVIDIA", "https://example.com")
    away = Problem("gone", "Facts of the host", "no answer", "one", "see")

    found = locking(
        ["gpu07", "odd", "gone"],
        made_of("gpu07", conflicts={"odd": Answer(None, (conflict,))}, problems=[away]),
    )

    assert states(found, "lock") == {"gpu07": "done", "odd": "failed", "gone": "failed"}
    assert [work.conflict for work in found] == [False, True, False]
    assert found[2].steps["lock"].problems == (away,)
    assert (tmp_path / "fleet.lock.yml").is_file()


def test_a_registry_that_is_away_is_everybodys_problem(tmp_path: Path, locking: Any) -> None:
    away = Problem("registry.example/x", "Image", "no answer", "one", "see")

    found = locking(["gpu07", "gpu08"], made_of(problems=[away]))

    assert [work.steps["lock"].problems for work in found] == [(away,), (away,)]
    assert not (tmp_path / "fleet.lock.yml").exists()


def test_a_lock_file_that_can_not_be_read_stops_all(tmp_path: Path, locking: Any) -> None:
    (tmp_path / "fleet.lock.yml").write_text("nonsense: true\n")

    found = locking(["gpu07"], made_of("gpu07"))

    assert [one.what for one in found[0].steps["lock"].problems] == [
        "Lock: schema",
        "Lock: nonsense",
    ]
    assert (tmp_path / "fleet.lock.yml").read_text() == "nonsense: true\n"


class Runner:
    """The runner of deploys, with outcomes that a test names."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[list[str]] = []
        self.outcomes: list[Callable[[list[str]], Outcome]] = []
        module = SimpleNamespace(run=self._run, Order=SimpleNamespace)
        module.Order = lambda inventory, deploy_file, stages: list(stages)
        # The real one brings gevent's patches, which would hang the threads of other tests.
        monkeypatch.setitem(sys.modules, "torchrack.runner.run", module)

    def _run(self, names: list[str], _listener: object) -> Outcome:
        self.ran.append(names)
        return self.outcomes.pop(0)(names)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Runner:
    return Runner(monkeypatch)


def outcome(
    names: list[str],
    *,
    changes: dict[str, tuple[Change, ...]] | None = None,
    failures: dict[str, Failure] | None = None,
    verdict: Any = "done",
    **more: Any,
) -> Outcome:
    hosts = tuple(
        HostOutcome(name, "ok", (changes or {}).get(name, ()), (failures or {}).get(name), 1.0)
        for name in names
    )
    return Outcome("fleet.py", verdict, NOW, NOW, ("base", "driver"), hosts, **more)


def test_what_a_deploy_did(tmp_path: Path, runner: Runner) -> None:
    found = works(tmp_path, "gpu07", "gpu08", "gpu09")
    failure = Failure("gpu09", "driver", "Install", "no room")
    runner.outcomes = [
        lambda names: outcome(names, changes={"gpu07": (DRIVER,)}, failures={"gpu09": failure})
    ]

    together.deploy(found, found[0].terms)

    assert states(found, "deploy") == {"gpu07": "done", "gpu08": "already", "gpu09": "failed"}
    assert found[0].steps["deploy"].said == "1 change in 1 stage(s)"
    assert found[2].steps["deploy"].problems[0].found == "no room"
    assert found[0].details["Deploy"] == {
        "Deploy file": "deploy.py",
        "Changes": "1",
        "Stages that changed something": "driver",
    }


def test_a_newcomer_that_preflight_stops_leaves_the_others_their_deploy(
    tmp_path: Path, runner: Runner
) -> None:
    found = works(tmp_path, "gpu07", "bad", "gpu08")
    problem = Problem("bad", "Disk space", "none", "some", "make room")
    runner.outcomes = [
        lambda names: outcome(names, verdict="failed", refused="1 problem", problems=(problem,)),
        outcome,
    ]

    together.deploy(found, found[0].terms)

    assert runner.ran == [["gpu07", "bad", "gpu08"], ["gpu07", "gpu08"]]
    assert states(found, "deploy") == {"gpu07": "already", "bad": "failed", "gpu08": "already"}
    assert found[1].steps["deploy"].problems == (problem,)


@pytest.mark.parametrize("problems", [(), (Problem("f.yml", "Lock", "odd", "a lock", "mend"),)])
def test_a_refusal_that_names_no_newcomer_is_everybodys(
    tmp_path: Path, runner: Runner, problems: tuple[Problem, ...]
) -> None:
    found = works(tmp_path, "gpu07", "gpu08")
    runner.outcomes = [
        lambda names: outcome(names, verdict="failed", refused="No hosts", problems=problems)
    ]

    together.deploy(found, found[0].terms)

    assert states(found, "deploy") == {"gpu07": "failed", "gpu08": "failed"}
    assert [work.steps["deploy"].problems[0].found for work in found] == [
        "odd" if problems else "No hosts"
    ] * 2


def test_an_interrupted_deploy_is_told_of_all(tmp_path: Path, runner: Runner) -> None:
    found = works(tmp_path, "gpu07", "gpu08")
    runner.outcomes = [lambda names: outcome(names, verdict="interrupted")]

    with pytest.raises(KeyboardInterrupt):
        together.deploy(found, found[0].terms)

    assert states(found, "deploy") == {"gpu07": "left", "gpu08": "left"}


def test_a_deploy_file_that_can_not_be_loaded(tmp_path: Path, runner: Runner) -> None:
    found = works(tmp_path, "gpu07")

    def refuse(_names: list[str]) -> Outcome:
        raise ProblemsError("deploy.py can't be loaded", [])

    runner.outcomes = [refuse]
    together.deploy(found, found[0].terms)

    assert found[0].steps["deploy"].problems[0].found == "deploy.py can't be loaded"
