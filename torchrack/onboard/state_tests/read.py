"""What pytest left behind, as tests and problems."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, JUnitXmlError, Skipped, TestCase

from torchrack.errors import Problem
from torchrack.onboard.state_tests.model import StateTest

_TOTAL = re.compile(r"collected (\d+) items?(?:.* / (\d+) selected)?")
_DONE = re.compile(r" (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b.*\[ *\d+%\]$")
_MOST_WORDS = 400
"""Characters of a failed assertion that are told; the rest is for whoever runs the test."""


@dataclass(frozen=True)
class Ended:
    """How pytest ended.

    Args:
        status: its exit status; None: it took too long and was ended.
        output: what it printed.
        seconds: how long it could take.
    """

    status: int | None
    output: str
    seconds: float


def problems(inventory: Path, host: str, tests: Sequence[StateTest], ended: Ended) -> list[Problem]:
    """Return what is wrong: each failed test, or why there is no result.

    Args:
        inventory: the fleet's inventory.
        host: the host's name.
        tests: what came of each.
        ended: how pytest ended.
    """
    again = f"pytest tests/state --inventory {inventory} --limit {host}"
    found = [
        Problem(
            host,
            f"State test {test.name}",
            test.message or "a failure without a word",
            "what the settings declare",
            f"see torchrack drift {inventory} --host {host}; the whole of it: {again}",
        )
        for test in tests
        if test.outcome == "failed"
    ]
    if ended.status is None:
        done, total = counts(ended.output)
        last = f"no end after {ended.seconds:.0f} s, {done} of {total or 'an unknown number'} done"
        found.append(Problem(host, "State tests", last, "all of them", f"see what hangs: {again}"))
    elif ended.status not in (0, 1) or not tests or (ended.status and not found):
        what = f"pytest ended with {ended.status}, {len(tests)} test(s): {_last(ended.output)}"
        found.append(Problem(host, "State tests", what, "a result of each", f"run {again}"))
    return found


def counts(output: str) -> tuple[int, int]:
    """Return how many tests are done, and how many there are (0: not known yet).

    Args:
        output: what pytest printed until now, in whole lines.
    """
    total = _TOTAL.search(output)
    done = sum(_DONE.search(line) is not None for line in output.splitlines())
    return done, int(total[2] or total[1]) if total else 0


def read_junit(xml: Path, host: str) -> tuple[StateTest, ...]:
    """Return the tests of a JUnit file, without the host in their names; none without the file.

    Args:
        xml: the file.
        host: the host's name.
    """
    if not xml.is_file():
        return ()
    try:
        suites = JUnitXml.fromfile(str(xml))
        return tuple(_test(case, host) for suite in suites for case in suite)
    except (JUnitXmlError, SyntaxError):  # cut off
        return ()


def _test(case: TestCase, host: str) -> StateTest:
    name = re.sub(rf"\[{re.escape(host)}(-(.*))?\]$", _parameter, case.name or "")
    module = (case.classname or "").rpartition(".")[2]
    bad = [one for one in case.result if isinstance(one, (Failure, Error))]
    skipped = [one for one in case.result if isinstance(one, Skipped)]
    said = next(iter([*bad, *skipped]), None)
    return StateTest(
        f"{module}::{name}",
        "failed" if bad else "skipped" if skipped else "passed",
        " ".join((said.message or "").split())[:_MOST_WORDS] if said else "",
        float(case.time or 0),
    )


def _parameter(match: re.Match[str]) -> str:
    return f"[{match[2]}]" if match[2] else ""


def _last(output: str) -> str:
    """Return what pytest said of an error of its own, or its last lines."""
    lines = [line.strip() for line in output.splitlines() if line.strip(" =-")]
    raised = [line[1:].strip() for line in lines if line.startswith("E  ")]
    first = next((n for n, line in enumerate(lines) if line.startswith("ERROR")), -3)
    return " ".join(raised or lines[first:])[:_MOST_WORDS] or "nothing was said"
