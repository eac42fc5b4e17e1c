"""The walk of newcomers through the steps: order, failures, endings, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gevent
import pytest
from paramiko import SSHException
from rich.console import Console

from torchrack.connect import connection_data
from torchrack.errors import HostError, Problem, ProblemsError, TorchrackError
from torchrack.inventory import FleetHost
from torchrack.onboard import run
from torchrack.onboard.asked import onward
from torchrack.onboard.hosts_list import Row
from torchrack.onboard.joining import Joining
from torchrack.onboard.model import STEPS, Newcomer, StepName
from torchrack.onboard.run import Ended, start
from torchrack.onboard.show import Show
from torchrack.onboard.walk import recording
from torchrack.onboard.work import Said, Terms, Work
from torchrack.settings.model import merge

Act = Callable[[Work], Said]
COMMAND = ["torchrack", "onboard", "f.py", "--until", "lock", "--name", "a b", "--dry-run"]
AGAIN = "torchrack onboard f.py --until lock --name 'a b' --dry-run"
ONWARD = "torchrack onboard f.py --name 'a b'"


class Fleet:
    """Newcomers whose steps are what a test says, and which keep what was done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.done: list[tuple[str, str]] = []
        self.acts: dict[str, Callable[[Work], object]] = {}
        self.path = tmp_path / "fleet.py"
        self.pins = tmp_path / "known_hosts"
        monkeypatch.setattr(run, "ALONE", {name: self._alone(name) for name in STEPS})
        monkeypatch.setattr(run, "REHEARSED", dict.fromkeys(STEPS[6:], self._rehearsed))
        together = {name: self._together(name) for name in ("lock", "deploy")}
        monkeypatch.setattr(run, "_TOGETHER", together)

    def run(self, *names: str, **terms: Any) -> Ended:
        joinings = [self.joining(name) for name in names or ("gpu07",)]
        show = Show(Console(quiet=True), [j.newcomer.name for j in joinings], len(STEPS))
        given = dict.fromkeys(j.newcomer.name for j in joinings)
        order = Terms(self.path, Path("deploy.py"), **terms)
        return start(joinings, given, order, show, words=COMMAND)

    def joining(self, name: str) -> Joining:
        data = connection_data(
            address=name, port=22, user="torchrack", known_hosts=str(self.pins), key=None,
            agent=False,
        )  # fmt: skip
        newcomer = Newcomer(name, name, "debian")
        return Joining(
            newcomer, Row(name=name, address=name), FleetHost(name, data, merge([])), False
        )

    def steps(self, name: str) -> list[str]:
        return [step for host, step in self.done if host == name]

    def _alone(self, name: StepName) -> Act:
        def act(work: Work) -> Said:
            self.done.append((work.name, name))
            self.acts.get(name, lambda _work: None)(work)
            return Said("done", f"{name} of {work.name}")

        return act

    def _together(self, name: StepName) -> Callable[[Sequence[Work], Terms], None]:
        def act(works: Sequence[Work], _terms: Terms) -> None:
            with recording(works, name) as keep:
                for work in works:
                    keep(work, *self._kept(name, work))

        return act

    def _kept(self, name: StepName, work: Work) -> tuple[Any, str]:
        said = self._alone(name)(work)
        return said.state, said.text

    def _rehearsed(self, work: Work) -> Said:
        return Said("planned", f"would on {work.name}")


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fleet:
    return Fleet(monkeypatch, tmp_path)


def failing(*names: str, error: BaseException) -> Callable[[Work], None]:
    def act(work: Work) -> None:
        if work.name in names:
            raise error

    return act


def test_a_command_that_goes_on() -> None:
    assert onward(["torchrack", "--until=gpu", "-y", "--until", "lock"]) == ["torchrack", "-y"]


PROBLEM = Problem("gpu07", "Disk space", "none", "some", "make room")


def test_all_steps_in_their_order_are_ready(fleet: Fleet) -> None:
    ended = fleet.run()

    assert tuple(fleet.steps("gpu07")) == STEPS
    assert (ended.status, ended.results[0].verdict) == (0, "ready")
    assert ended.results[0].next.endswith("fleet.py --host gpu07")
    assert [step.state for step in ended.results[0].steps] == ["done"] * len(STEPS)


@pytest.mark.parametrize("step", [step for step in STEPS if step not in ("lock", "deploy")])
def test_a_step_that_fails_ends_its_host_and_no_other(fleet: Fleet, step: str) -> None:
    fleet.acts[step] = failing("gpu07", error=HostError(PROBLEM))

    ended = fleet.run("gpu07", "gpu08")

    bad, good = ended.results
    states = {one.name: one for one in bad.steps}
    assert (ended.status, bad.verdict, good.verdict) == (1, "not_ready", "ready")
    assert (states[step].state, states[step].problems) == ("failed", (PROBLEM,))
    assert fleet.steps("gpu07")[-1] == step
    assert {one.state for one in bad.steps[STEPS.index(step) + 1 :]} <= {"left"}
    assert bad.next == AGAIN
    assert tuple(fleet.steps("gpu08")) == STEPS


def test_what_fails_for_all_in_a_step_of_all(fleet: Fleet) -> None:
    fleet.acts["lock"] = failing("gpu07", error=TorchrackError("no registry"))

    ended = fleet.run("gpu07", "gpu08")

    assert [result.verdict for result in ended.results] == ["not_ready", "not_ready"]
    assert ended.results[1].steps[STEPS.index("lock")].problems[0].found == "no registry"


@pytest.mark.parametrize(
    ("error", "found", "fix"),
    [
        (ProblemsError("two", [PROBLEM, PROBLEM]), "none", "make room"),
        (TorchrackError("no way"), "no way", "same command again"),
        (SSHException("gone"), "a connection that ended (SSHException: gone)", "up and reachable"),
        (TimeoutError(), "a connection that ended (TimeoutError)", "up and reachable"),
        (PermissionError(13, "denied", "/x"), "PermissionError", "on this machine"),
        (KeyError("x"), "KeyError: 'x'", "fault of Torchrack"),
        (SystemExit("2 problem(s) in the settings"), "2 problem(s)", "its hosts file"),
    ],
)
def test_what_is_told_of_an_error(fleet: Fleet, error: BaseException, found: str, fix: str) -> None:
    fleet.acts["facts"] = failing("gpu07", error=error)

    step = fleet.run().results[0].steps[STEPS.index("facts")]

    assert step.problems[0].found.startswith(found)
    assert fix in step.problems[0].fix
    assert len(step.problems) == len(getattr(error, "problems", [0]))


@pytest.mark.parametrize("step", STEPS)
def test_a_run_that_ends_with_a_step(fleet: Fleet, step: StepName) -> None:
    ended = fleet.run(until=step)

    assert tuple(fleet.steps("gpu07")) == STEPS[: STEPS.index(step) + 1]
    assert ended.results[0].verdict == ("ready" if step == STEPS[-1] else "stopped")
    assert (ended.results[0].next == ONWARD) == (step != STEPS[-1])
    assert ended.status == 0


def test_a_dry_run_only_looks(fleet: Fleet) -> None:
    fleet.pins.write_text("[old]:22 ssh-ed25519 AAAA\n")
    seen: list[Path] = []
    fleet.acts["host-key"] = lambda work: seen.append(work.known_hosts)

    ended = fleet.run(dry_run=True)

    assert tuple(fleet.steps("gpu07")) == STEPS[: STEPS.index("admin")]
    assert (ended.results[0].verdict, ended.status) == ("planned", 0)
    assert ended.results[0].next == ONWARD
    assert [step.state for step in ended.results[0].steps[-6:]] == ["planned"] * 6
    assert seen[0] != fleet.pins
    assert not seen[0].exists()


def test_a_person_who_declines(fleet: Fleet) -> None:
    asked: list[Sequence[str]] = []
    fleet.acts["preflight"] = failing("bad", error=HostError(PROBLEM))

    def approve(names: Sequence[str]) -> bool:
        asked.append(names)
        return False

    ended = fleet.run("gpu07", "bad", "gpu08", approve=approve)

    assert asked == [["gpu07", "gpu08"]]
    assert [one.verdict for one in ended.results] == ["stopped", "not_ready", "stopped"]
    assert fleet.steps("gpu07")[-1] == "contract"
    assert ended.status == 1


@pytest.mark.parametrize("terms", [{"dry_run": True}, {"until": "contract"}])
def test_nobody_is_asked_where_nothing_changes(fleet: Fleet, terms: dict[str, Any]) -> None:
    def approve(_names: Sequence[str]) -> bool:
        raise AssertionError("asked")

    assert fleet.run(approve=approve, **terms).status == 0


def test_a_conflict_wins_over_what_else_is_wrong(fleet: Fleet) -> None:
    def conflict(work: Work) -> None:
        work.conflict = True
        raise HostError(PROBLEM)

    fleet.acts["contract"] = conflict
    assert fleet.run().status == 2


def test_hosts_walk_at_the_same_time_and_a_person_is_asked_one_by_one(fleet: Fleet) -> None:
    fleet.acts["probe"] = fleet.acts["login"] = lambda _work: gevent.sleep(0.01)

    fleet.run("a", "b")

    assert fleet.done[:4] == [("a", "probe"), ("b", "probe"), ("a", "host-key"), ("b", "host-key")]
    assert fleet.done[4:6] == [("a", "login"), ("b", "login")]


@pytest.mark.parametrize("step", ["probe", "host-key", "facts", "lock", "state"])
def test_an_interruption_ends_the_run_and_every_session(fleet: Fleet, step: str) -> None:
    closed: list[str] = []

    def opened(work: Work) -> None:
        work.closing.callback(lambda: closed.append(work.name))

    def interrupted(work: Work) -> None:
        if gevent.getcurrent() is main:
            raise KeyboardInterrupt
        if work.name == "gpu07":
            gevent.get_hub().loop.run_callback(main.throw, KeyboardInterrupt)
        gevent.sleep(60)

    main = gevent.getcurrent()
    fleet.acts |= {"login": opened, step: interrupted}

    ended = fleet.run("gpu07", "gpu08")

    states = [result.steps[STEPS.index(step)] for result in ended.results]
    assert ended.status == 130
    assert (states[0].state, states[0].said) == ("left", "interrupted")
    assert [result.verdict for result in ended.results] == ["not_ready", "not_ready"]
    after_login = STEPS.index(step) > STEPS.index("login")
    assert sorted(closed) == (["gpu07", "gpu08"] if after_login else [])
