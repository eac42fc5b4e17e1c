"""What came of the state tests, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torchrack.errors import Problem


@dataclass(frozen=True)
class StateTest:
    """One test.

    Args:
        name: module and function ("test_docker::test_daemon_runs").
        outcome: what came of it; an error in its preparation is a failure.
        message: what the assertion said; empty when it passed.
        seconds: how long it took.
    """

    name: str
    outcome: Literal["passed", "failed", "skipped"]
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class StateTests:
    """What came of all tests of a host.

    Args:
        tests: in the order in which they ran.
        seconds: how long all of it took.
        problems: failed tests, one each, and what kept tests from running; empty when all passed.
    """

    tests: tuple[StateTest, ...] = ()
    seconds: float = 0.0
    problems: tuple[Problem, ...] = ()

    @property
    def passed(self) -> int:
        """How many passed."""
        return sum(test.outcome == "passed" for test in self.tests)
