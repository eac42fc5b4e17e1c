"""What a drift check finds: plain values that every part of it shares."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

Class = Literal["drift", "pending", "hardware", "unreachable", "unknown"]
"""drift: the host differs from what was last deployed; pending: the repository moved on since."""
Severity = Literal["security", "outage", "compat", "capacity", "cosmetic"]
SEVERITIES: tuple[Severity, ...] = ("security", "outage", "compat", "capacity", "cosmetic")
"""The gravest first."""
Verdict = Literal["in_sync", "drift", "incomplete"]


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be, on one host.

    Args:
        host: the host's name.
        id: the same from night to night, unique on a host: "docker.file:/etc/docker/daemon.json".
        stage: the stage of deploy.py it belongs to, or "host" for what belongs to none.
        kind: its class.
        severity: how grave it is.
        what: a few words for people.
        expected: what was declared or is healthy; secrets redacted.
        actual: what is there; secrets redacted.
        fix: the command, or the act, that mends it.
        diff: a unified diff, empty where there is none or it is secret.
        who: who did it, if the host knows.
        when: since when, if the host knows.
    """

    host: str
    id: str
    stage: str
    kind: Class
    severity: Severity
    what: str
    expected: str
    actual: str
    fix: str
    diff: str = ""
    who: str | None = None
    when: dt.datetime | None = None


@dataclass(frozen=True)
class Deployed:
    """What a host's stamp says of the last deploy that changed it."""

    commit: str | None
    when: dt.datetime
    who: str

    @property
    def told(self) -> str:
        """The deploy, for people: "1f2e3d4c5b6a on 2026-11-24 03:00 UTC by ann@desk"."""
        commit = f"{self.commit[:12]} " if self.commit else ""
        return f"{commit}on {self.when:%Y-%m-%d %H:%M} UTC by {self.who}"


@dataclass(frozen=True)
class HostResult:
    """One host's part of a check.

    Args:
        name: the host's name.
        findings: in the order of the stages.
        checked: stages (and "host") that were checked whole.
        deployed: what its stamp says; None without a readable one.
        seconds: from the start of the connection to the last answer; None when there was none.
        round_trips: commands run on the host after the login.
    """

    name: str
    findings: tuple[Finding, ...]
    checked: tuple[str, ...] = ()
    deployed: Deployed | None = None
    seconds: float | None = None
    round_trips: int = 0


@dataclass(frozen=True)
class Result:
    """One check of a fleet, before history and waivers are looked at.

    Args:
        fleet: the inventory's path, as it was given.
        started: when the check began, in UTC.
        finished: when it ended, in UTC.
        stages: all stages that are checked, in the order of deploy.py, "host" last.
        hosts: in the order of the inventory.
        fleet_findings: findings that belong to no host.
        whole: whether these are all hosts of the inventory, so that others are in it no longer.
    """

    fleet: str
    started: dt.datetime
    finished: dt.datetime
    stages: tuple[str, ...]
    hosts: tuple[HostResult, ...] = ()
    fleet_findings: tuple[Finding, ...] = ()
    whole: bool = False

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, those of the fleet first."""
        return (*self.fleet_findings, *(one for host in self.hosts for one in host.findings))

    def covers(self, host: str) -> bool:
        """Return whether what was known of a host, and is not among these findings, is gone.

        It is not where the host could not be checked whole, nor, by a check of a part of the
        inventory, for the fleet and for other hosts.

        Args:
            host: its name, "-" for the fleet.
        """
        here = next((one for one in self.hosts if one.name == host), None)
        return here.checked == self.stages if here else self.whole
