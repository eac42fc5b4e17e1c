"""One check for the whole fleet, whatever the size of pyinfra's pool."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from pyinfra.api import Config, Inventory, State

from torchrack.errors import HostError, Problem, ProblemsError
from torchrack.facts.survey import Survey
from torchrack.preflight import fleet
from torchrack.survey import _surveys


@pytest.fixture
def state(monkeypatch):
    monkeypatch.setattr(fleet.locks, "problems", lambda _hosts: [])
    state = State(Inventory((["a", "b", "c"], {})), Config())
    for host in state.inventory:
        state.activate_host(host)
    return state


def surveyed(name, boot=""):
    return Survey("debian", "13", "trixie", "amd64", name, "admin", machine="5e", boot=boot or name)


def answers(monkeypatch, **by_name):
    """Let hosts answer as told: a list of problems, or an error; says who was asked."""
    asked = []

    def ask(host):
        asked.append(host.name)
        answer = by_name.get(host.name, [])
        if isinstance(answer, Exception):
            raise answer
        return surveyed(host.name), answer

    monkeypatch.setattr(fleet, "ask", ask)
    return asked


def outcome(state, name):
    try:
        fleet.check_fleet(state, state.inventory.get_host(name))
    except (HostError, ProblemsError) as error:
        return error
    return None


def problem(name, what="Clock"):
    return Problem(name, what, "found", "needed", "fix")


@pytest.mark.parametrize("pool", [1, 2, 3])
def test_every_host_is_asked_once(state, monkeypatch, pool):
    asked = answers(monkeypatch)
    with ThreadPoolExecutor(pool) as workers:
        outcomes = list(workers.map(lambda name: outcome(state, name), "abc"))
    assert sorted(asked) == ["a", "b", "c"]
    assert outcomes == [None, None, None]
    assert _surveys[state.inventory.get_host("b")] == surveyed("b")


def test_a_problem_of_one_host_stops_all_and_is_shown_once(state, monkeypatch, capsys):
    answers(monkeypatch, b=[problem("b"), problem("b", "Disk")], c=[problem("c")])
    outcomes = [outcome(state, name) for name in "abc"]
    assert {type(error) for error in outcomes} == {ProblemsError}
    assert "3 problem(s) on 2 host(s)" in str(outcomes[0])
    assert [p.where for p in outcomes[0].problems] == ["b", "b", "c"]
    shown = capsys.readouterr().err
    assert shown.count("Clock") == 2
    assert shown.count("Disk") == 1


def test_a_host_that_is_gone_fails_alone(state, monkeypatch, capsys):
    gone = HostError(problem("b", "Preflight"))
    answers(monkeypatch, b=gone)
    assert [outcome(state, name) for name in "abc"] == [None, gone, None]
    assert capsys.readouterr().err == ""


def test_a_fault_of_our_own_is_an_unknown_host_and_no_traceback(state, monkeypatch, capsys):
    answers(monkeypatch, a=KeyError("x"))
    error = outcome(state, "c")
    assert [(p.where, p.what) for p in error.problems] == [("a", "Preflight: unknown")]
    assert "KeyError" in capsys.readouterr().err


def test_only_active_hosts_within_the_limit_are_asked(state, monkeypatch):
    asked = answers(monkeypatch)
    state.limit_hosts = [state.inventory.get_host(name) for name in "ab"]
    state.active_hosts.discard(state.inventory.get_host("a"))
    outcome(state, "b")
    assert asked == ["b"]


def test_another_run_asks_again(state, monkeypatch):
    asked = answers(monkeypatch)
    outcome(state, "a")
    other = State(Inventory((["a"], {})), Config())
    other.activate_host(other.inventory.get_host("a"))
    outcome(other, "a")
    assert asked.count("a") == 2


def test_without_a_lock_no_host_is_asked(state, monkeypatch, capsys):
    asked = answers(monkeypatch)
    unlocked = Problem("f.lock.yml", "Lock", "no such file", "one", "run torchrack lock f.py")
    monkeypatch.setattr(fleet.locks, "problems", lambda _hosts: [unlocked])
    assert outcome(state, "a").problems == [unlocked]
    assert asked == []
    assert "torchrack lock f.py" in capsys.readouterr().err
