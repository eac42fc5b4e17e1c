"""The state tests, run for one host by a pytest of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torchrack.errors import Problem

SECONDS = 600
"""How long all of them may take; on a healthy host it is well under a minute."""

Progress = Callable[[int, int], None]
"""Called with the number of tests that are done, and of all (0: not known yet)."""


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


def run_state_tests(
    inventory: Path,
    host: str,
    *,
    seconds: float = SECONDS,
    progress: Progress = lambda done, total: None,
) -> StateTests:
    """Run the state tests of one host in a process of their own, and wait for it.

    Nothing is raised for what goes wrong: it stands in ``problems``.

    Args:
        inventory: the fleet's inventory, in which the host stands and for which a lock is there.
        host: its name.
        seconds: how long they may take; then they are ended.
        progress: called as tests end, in the calling thread.
    """
    raise NotImplementedError
