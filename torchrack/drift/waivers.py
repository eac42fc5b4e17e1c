"""Waivers: findings that somebody answers for, for a while."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from torchrack.drift import entries
from torchrack.drift.model import Finding, Result
from torchrack.drift.severity import severity_of
from torchrack.errors import Problem
from torchrack.fleet_folder import beside

SOON = dt.timedelta(days=14)
"""How long before its end a waiver is told of."""


class Waiver(BaseModel):
    """One entry of a waiver file.

    Args:
        id: pattern of finding ids, as a shell has it ("sshd.effective:*").
        hosts: patterns of host names.
        reason: why it is fine.
        owner: who answers for it.
        expires: the last day it counts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1)
    hosts: tuple[str, ...] = ("*",)
    reason: str = Field(min_length=3)
    owner: str = Field(min_length=1)
    expires: dt.date

    def fits(self, finding: Finding) -> bool:
        """Whether it is about a finding, expired or not."""
        return fnmatchcase(finding.id, self.id) and any(
            fnmatchcase(finding.host, pattern) for pattern in self.hosts
        )


@dataclass(frozen=True)
class Waived:
    """A result with its waivers.

    Args:
        result: of the check, with findings about the waivers themselves.
        by: host and id of each waived finding to its waiver.
    """

    result: Result
    by: dict[tuple[str, str], Waiver]

    def waiver(self, finding: Finding) -> Waiver | None:
        """Return the waiver of a finding, None where nobody answers for it."""
        return self.by.get((finding.host, finding.id))


def path_of(inventory: str | Path) -> Path:
    """Return the waiver file of an inventory: beside it, with ``.waivers.yml``."""
    return beside(inventory, ".waivers.yml")


def read(path: Path) -> list[Waiver]:
    """Return the waivers in a file; none where there is no file.

    Raises:
        EntriesError: some of it are no waivers; all that is wrong is told, with its lines.
    """
    needed = "a list of entries with id, reason, owner, expires, and hosts where it is not for all"
    return entries.read(path, TypeAdapter(Waiver), "Waiver", needed)


def wrong(problems: Iterable[Problem]) -> tuple[Finding, ...]:
    """Return the findings of a waiver file that is wrong in places, one a place.

    They are unknown: what was to be waived there can't be told.

    Args:
        problems: what :func:`read` said.
    """
    by_place: dict[str, list[Problem]] = {}
    for problem in problems:
        by_place.setdefault(problem.where, []).append(problem)
    return tuple(
        Finding(
            host="-",
            id=f"waivers.wrong:{place}",
            stage="waivers",
            kind="unknown",
            severity="outage",
            what=f"Waivers in {place}",
            expected=found[0].needed,
            actual="; ".join(f"{one.what}: {one.found}" for one in found),
            fix=found[0].fix,
        )
        for place, found in by_place.items()
    )


def apply(
    result: Result, waivers: Sequence[Waiver], *, today: dt.date, file: str, whole: bool
) -> Waived:
    """Return a result with its waivers, and with findings about those that have come to an end.

    Args:
        result: of the check.
        waivers: the fleet's.
        today: the day that decides what has expired.
        file: the waiver file, for messages.
        whole: whether all hosts were checked, so that a waiver without a finding is of no use.
    """
    found = list(result.findings)
    by = {}
    for finding in found:
        for waiver in waivers:
            if waiver.fits(finding) and today <= waiver.expires and finding.kind != "unknown":
                by[finding.host, finding.id] = waiver
                break
    about = tuple(_about(waivers, found, today=today, file=file, whole=whole))
    return Waived(replace(result, fleet_findings=(*result.fleet_findings, *about)), by)


def _about(
    waivers: Iterable[Waiver], found: list[Finding], *, today: dt.date, file: str, whole: bool
) -> Iterator[Finding]:
    for waiver in waivers:
        end = waiver.expires.isoformat()
        fix = f"mend what it was for, or renew or remove it in {file} (owner: {waiver.owner})"
        if today > waiver.expires:
            yield _finding(waiver, "expired", "a waiver in force", f"ended {end}", fix)
        elif whole and not any(map(waiver.fits, found)):
            expected = "a finding that it is for"
            yield _finding(waiver, "unmatched", expected, "none", fix)
        elif waiver.expires - today <= SOON:
            yield _finding(waiver, "ending", "more than 14 days", f"until {end}", fix)


def _finding(waiver: Waiver, what: str, expected: str, actual: str, fix: str) -> Finding:
    finding_id = f"waivers.{what}:{waiver.id}"
    return Finding(
        host="-",
        id=finding_id,
        stage="waivers",
        kind="drift",
        severity=severity_of(finding_id),
        what=f"Waiver of {waiver.id} on {', '.join(waiver.hosts)}",
        expected=expected,
        actual=actual,
        fix=fix,
    )
