"""What a run did: plain values, for tables and JSON."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from torchrack.difference import Difference
from torchrack.errors import Problem

Verdict = Literal["planned", "done", "failed", "interrupted"]
HostState = Literal["ok", "failed", "unreachable", "interrupted"]


@dataclass(frozen=True)
class Change:
    """An operation that changed a host, or would.

    Args:
        host: the host's name.
        stage: the stage the operation belongs to.
        operation: its name.
        differences: what the operation found to differ; secrets are not in it.
        seconds: how long it took; None in a plan.
    """

    host: str
    stage: str
    operation: str
    differences: tuple[Difference, ...]
    seconds: float | None = None


@dataclass(frozen=True)
class Failure:
    """What ended a host's part of a run.

    Args:
        host: the host's name.
        stage: where it happened; "connect" before the first one.
        operation: the operation's name, empty while it was planned.
        message: what was said, with what to do where that is known.
    """

    host: str
    stage: str
    operation: str
    message: str


@dataclass(frozen=True)
class HostOutcome:
    """One host's part of a run; ``seconds`` are those of its operations together."""

    name: str
    state: HostState
    changes: tuple[Change, ...]
    failure: Failure | None
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """A whole run.

    Args:
        fleet: the inventory's path.
        verdict: "planned" for a plan whatever is in it, "done" where every host is as declared.
        started: in UTC.
        finished: in UTC.
        stages: in the order of the deploy file.
        hosts: in the order of the inventory.
        refused: why nothing was begun; empty where something was.
        problems: what preflight found, where that is why nothing was begun.
    """

    fleet: str
    verdict: Verdict
    started: dt.datetime
    finished: dt.datetime
    stages: tuple[str, ...]
    hosts: tuple[HostOutcome, ...]
    refused: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes of all hosts."""
        return tuple(change for host in self.hosts for change in host.changes)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What ended hosts' parts."""
        return tuple(host.failure for host in self.hosts if host.failure)


STATUS: dict[Verdict, int] = {"planned": 0, "done": 0, "failed": 1, "interrupted": 130}
"""The exit status by verdict; 130 is a shell's for Ctrl-C."""
