"""One look at a fleet, with its waivers: what the commands of ``torchrack drift`` share."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import typer
from rich.progress import Progress

from torchrack.drift import check, history, waivers
from torchrack.drift.entries import EntriesError
from torchrack.drift.model import Finding
from torchrack.drift.verdict import verdict
from torchrack.errors import Problem
from torchrack.inventory import FleetHost
from torchrack.lock.file import shown
from torchrack.report import console, print_problems

Seen = dict[tuple[str, str], history.Seen]


def look(
    inventory: Path,
    hosts: Sequence[FleetHost],
    deploy_file: Path,
    *,
    new: Sequence[Problem] = (),
    whole_fleet: bool = False,
    seconds: float | None = None,
) -> waivers.Waived:
    """Check hosts, with a progress bar on a terminal, and apply the fleet's waivers.

    A waiver file with errors does not keep a night from being checked: what is wrong in it is a
    finding, and what is not counts.

    Args:
        inventory: the inventory's file.
        hosts: those to check.
        deploy_file: the deploy file whose operations are compared with.
        new: what is said of hosts that are not locked yet: nothing can be compared there.
        whole_fleet: whether these are all hosts, so that a waiver that fits none is told.
        seconds: how long it may take; None: as long as the hosts' own limits allow.
    """
    file = waivers.path_of(inventory)
    wrong: tuple[Finding, ...] = ()
    try:
        known = waivers.read(file)
    except EntriesError as error:
        print_problems("Waivers", error.problems)
        known, wrong = error.good, waivers.wrong(error.problems)
    with Progress(console=console(), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Checking hosts", total=len(hosts))
        result = check.check(
            hosts,
            deploy_file,
            inventory=str(inventory),
            answered=lambda: progress.advance(task),
            seconds=seconds,
            last=_last(inventory),
        )
    result = replace(
        result,
        hosts=(*result.hosts, *(check.not_locked(problem) for problem in new)),
        fleet_findings=(*result.fleet_findings, *wrong),
        whole=whole_fleet,
    )
    whole = whole_fleet and all(one.checked for one in result.hosts)
    today = dt.datetime.now(dt.timezone.utc).date()
    return waivers.apply(result, known, today=today, file=shown(file), whole=whole)


def _last(inventory: Path) -> Mapping[str, dt.datetime]:
    """When each host was checked last; who keeps this check says why it is not known."""
    try:
        return history.read(history.path_of(inventory)).hosts
    except history.HistoryError:
        return {}


def remember(inventory: Path, checked: waivers.Waived) -> tuple[Seen, history.History]:
    """Add a check to the history; without one it is as good, but not as old.

    Args:
        inventory: the inventory's file.
        checked: the check.

    Returns:
        Host and id of each finding to what is known of it, and the whole history; empty, after a
        message, where the history can't be kept.
    """
    path = history.path_of(inventory)
    try:
        return history.record(path, checked.result, verdict(checked)), history.read(path)
    except history.HistoryError as error:
        typer.echo(f"torchrack drift: the history is not kept: {error}", err=True)
        return {}, history.History()
