"""Every state assertion can fail: break a host, see the test go red, bring the host back."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import tests.lab.breaks
from tests.lab.breakage import Break
from tests.lab.harness import Lab

BREAKS: list[Break] = [
    entry
    for module in pkgutil.iter_modules(tests.lab.breaks.__path__, "tests.lab.breaks.")
    for entry in importlib.import_module(module.name).BREAKS
]


@pytest.mark.parametrize("entry", BREAKS, ids=lambda entry: entry.test.replace("::", "."))
def test_break_is_seen(lab: Lab, entry: Break) -> None:
    lab.ssh(entry.host, entry.harm)
    try:
        seen = lab.state_tests(f"tests/state/{entry.test}", "--limit", entry.host)
    finally:
        lab.ssh(entry.host, entry.undo)
    assert seen.rc == 1, f"exit status {seen.rc}; the break was not seen:\n{seen.output}"


def test_every_state_assertion_has_a_break(lab: Lab) -> None:
    listed = lab.state_tests("--collect-only", "--limit", "gpu01").stdout
    tests_there = {
        line.removeprefix("tests/state/").split("[")[0]
        for line in listed.splitlines()
        if line.startswith("tests/state/test_")
    }
    assert tests_there, listed
    tests_broken = {entry.test.split("[")[0] for entry in BREAKS} | {
        "test_reachable.py::test_reachable"
    }
    assert tests_there <= tests_broken, f"no break for {sorted(tests_there - tests_broken)}"


def test_all_is_well_again(lab: Lab) -> None:
    done = lab.state_tests()
    assert done.rc == 0, done.output
