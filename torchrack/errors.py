"""The errors that Torchrack raises, and how a problem is told to a person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyinfra.api.exceptions import PyinfraError


@dataclass(frozen=True)
class Problem:
    """Something that keeps a host from being what it should be.

    Args:
        where: the host's name, or the file (with its line) the problem stands in.
        what: what was looked at, in a few words ("Disk space in /var/lib/docker").
        found: what is there.
        needed: what would have to be there.
        fix: what the reader should do next.
    """

    where: str
    what: str
    found: str
    needed: str
    fix: str

    def __str__(self) -> str:
        return (
            f"{self.where}: {self.what}: found {self.found}, needed {self.needed}. "
            f"What to do: {self.fix}"
        )


class TorchrackError(PyinfraError):
    """Base of all errors that end in a message for the user, never in a traceback."""


class HostError(TorchrackError):
    """One host can't go on; the others do."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class StageError(HostError):
    """One host can't go on: whatever else its stage declares, this has to be settled before."""


class ProblemsError(TorchrackError):
    """Problems found before any change was made; ``problems`` holds all of them."""

    def __init__(self, summary: str, problems: Iterable[Problem]) -> None:
        super().__init__(summary)
        self.problems = list(problems)
