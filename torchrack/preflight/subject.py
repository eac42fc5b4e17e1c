"""What a check looks at: one host, its facts, its settings, and when they were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torchrack.errors import Problem
from torchrack.preflight.facts import HostFacts
from torchrack.settings.model import Settings


@dataclass(frozen=True)
class Subject:
    """One host as the checks see it.

    Args:
        host: the host's name.
        facts: what the script found.
        settings: what is declared for it.
        asked: the controller's time when the script was started, seconds since the epoch.
        answered: the controller's time when its output was complete.
    """

    host: str
    facts: HostFacts
    settings: Settings
    asked: float
    answered: float

    def problem(self, what: str, found: str, needed: str, fix: str) -> Problem:
        """A problem of this host."""
        return Problem(self.host, what, found, needed, fix)


Check = Callable[[Subject], Iterable[Problem]]
