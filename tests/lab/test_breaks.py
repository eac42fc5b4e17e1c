"""Every state assertion can fail: break a host, see the test go red, bring the host back.

Breaks that do not touch each other's ground are tried together, a batch at a time.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

import tests.lab.breaks
from tests.lab.breakage import Break
from tests.lab.harness import Lab

BREAKS: list[Break] = sorted(
    (
        entry
        for module in pkgutil.iter_modules(tests.lab.breaks.__path__, "tests.lab.breaks.")
        for entry in importlib.import_module(module.name).BREAKS
    ),
    key=lambda entry: entry.batch,
)


@dataclass
class Outcome:
    """What came of a batch: what its scripts and the state tests printed, and the red tests."""

    output: str
    red: frozenset[tuple[str, str]]


class _Outcomes:
    """The outcome of each batch, which is tried when the first of its breaks is asked for.

    Args:
        lab: where.
        asked: the breaks that this run asks for; others of their batches are left out.
    """

    def __init__(self, lab: Lab, asked: Sequence[Break]) -> None:
        self._lab = lab
        self._asked = asked
        self._known: dict[int, Outcome] = {}

    def of(self, batch: int) -> Outcome:
        if batch not in self._known:
            entries = [one for one in self._asked if one.batch == batch]
            self._known[batch] = _try(self._lab, entries)
        return self._known[batch]


def _try(lab: Lab, batch: Sequence[Break]) -> Outcome:
    hosts = sorted({entry.host for entry in batch})
    said = ""
    for host in hosts:
        here = [entry for entry in batch if entry.host == host]
        harm = [(entry.test, entry.harm) for entry in here]
        said += lab.ssh(host, _script(harm, [entry.then for entry in here])).output
    red: set[tuple[str, str]] = set()
    try:
        for host in hosts:
            names = {f"tests/state/{entry.test}" for entry in batch if entry.host == host}
            seen = lab.state_tests(*sorted(names), "-rf", "-rf", "--limit", host)
            said += seen.output
            failed = re.findall(r"^FAILED tests/state/([\w.:]+)", seen.output, re.MULTILINE)
            red |= {(host, test) for test in failed}
    finally:
        for host in hosts:
            here = [entry for entry in reversed(batch) if entry.host == host]
            undo = [(entry.test, entry.undo) for entry in here]
            said += lab.ssh(host, _script(undo, [entry.after for entry in here])).output
    return Outcome(said, frozenset(red))


def _script(scripts: Sequence[tuple[str, str]], last: Sequence[str]) -> str:
    """Run each script by itself; print what a failing one says. ``last`` runs once for all."""
    named = [*scripts, *((one, one) for one in dict.fromkeys(last) if one)]
    return "\n".join(
        f"( {script}\n) >/run/break.log 2>&1 || "
        f"{{ echo {shlex.quote(name)} failed:; cat /run/break.log; }}"
        for name, script in named
    )


@pytest.fixture(scope="module")
def outcomes(lab: Lab, request: pytest.FixtureRequest) -> _Outcomes:
    params = (getattr(item, "callspec", None) for item in request.session.items)
    asked = [spec.params["entry"] for spec in params if spec and "entry" in spec.params]
    return _Outcomes(lab, [one for one in asked if isinstance(one, Break)])


@pytest.mark.parametrize("entry", BREAKS, ids=lambda entry: entry.test.replace("::", "."))
def test_break_is_seen(outcomes: _Outcomes, entry: Break) -> None:
    outcome = outcomes.of(entry.batch)
    assert (entry.host, entry.test) in outcome.red, f"not seen:\n{outcome.output}"


def test_every_state_assertion_has_a_break(lab: Lab) -> None:
    listed = lab.state_tests("--collect-only", "--limit", "gpu01").stdout
    tests_there = {
        line.removeprefix("tests/state/").split("[")[0]
        for line in listed.splitlines()
        if line.startswith("tests/state/test_")
    }
    assert tests_there, listed
    tests_broken = {entry.test for entry in BREAKS} | {"test_reachable.py::test_reachable"}
    assert tests_there <= tests_broken, f"no break for {sorted(tests_there - tests_broken)}"


def test_all_is_well_again(lab: Lab) -> None:
    done = lab.state_tests()
    assert done.rc == 0, done.output
