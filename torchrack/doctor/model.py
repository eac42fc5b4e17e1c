"""What came of a check: a plain value that all checks share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torchrack.errors import Problem

HERE = "this machine"
"""Where a problem is that belongs to no host and no file."""
SCHEMA = 1


@dataclass(frozen=True)
class Checked:
    """Something that was looked at.

    Args:
        what: in a few words.
        found: what is there.
        problem: why that will not do; None where it does. What could not be found out is one.
    """

    what: str
    found: str
    problem: Problem | None = None


def wrong(problem: Problem) -> Checked:
    """Return the check that a problem came of."""
    return Checked(problem.what, problem.found, problem)


def lacking(what: str, found: str, needed: str, fix: str) -> Checked:
    """Return the check of something that this machine lacks."""
    return wrong(Problem(HERE, what, found, needed, fix))


def as_data(checks: Sequence[Checked]) -> dict[str, Any]:
    """Return the checks for programs.

    Args:
        checks: in their order.
    """
    return {
        "schema": SCHEMA,
        "verdict": "problems" if any(one.problem for one in checks) else "ok",
        "checks": [
            {
                "what": one.what,
                "where": one.problem.where if one.problem else None,
                "ok": one.problem is None,
                "found": one.found,
                "needed": one.problem.needed if one.problem else None,
                "fix": one.problem.fix if one.problem else None,
            }
            for one in checks
        ],
    }
