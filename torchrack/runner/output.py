"""A run for people and machines."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import asdict
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from torchrack.runner.model import Change, HostOutcome, HostState, Outcome

SCHEMA = 1
_COLOURS: dict[HostState, str] = {
    "ok": "green",
    "failed": "red",
    "unreachable": "red",
    "interrupted": "yellow",
}
_MOST_ROWS = 60
"""Hosts in the table; beyond that those with nothing to tell are counted, not listed."""


def as_data(outcome: Outcome) -> dict[str, Any]:
    """Return plain data: the verdict, a row a host, all changes and all failures."""
    return {
        "schema": SCHEMA,
        "verdict": outcome.verdict,
        "fleet": outcome.fleet,
        "started": _time(outcome.started),
        "finished": _time(outcome.finished),
        "stages": list(outcome.stages),
        "refused": outcome.refused or None,
        "hosts": [
            {
                "name": host.name,
                "state": host.state,
                "changes": len(host.changes),
                "seconds": round(host.seconds, 3),
            }
            for host in outcome.hosts
        ],
        "changes": [_change(change) for change in outcome.changes],
        "failures": [asdict(failure) for failure in outcome.failures],
    }


def summary(outcome: Outcome) -> Group:
    """Return what a person reads at the end: a table of the hosts, the reasons, one line."""
    planned = outcome.verdict == "planned"
    table = Table(title="Plan" if planned else "Result", title_justify="left")
    for heading in ("Host", "State", "Would change" if planned else "Changed", "Stages", "Took"):
        table.add_column(heading, overflow="fold")
    many = len(outcome.hosts) > _MOST_ROWS
    shown = [h for h in outcome.hosts if not many or h.changes or h.state != "ok"]
    for host in shown:
        table.add_row(*_row(host, planned=planned))
    if len(shown) < len(outcome.hosts):
        table.add_row(f"{len(outcome.hosts) - len(shown)} others", "ok", "0", "", "")
    reasons = [
        Text(f"{one.host}: {' | '.join(filter(None, (one.stage, one.operation)))}: {one.message}")
        for one in outcome.failures
    ]
    return Group(table, *reasons, Text(closing(outcome)))


def closing(outcome: Outcome) -> str:
    """Return the run in one line."""
    if outcome.refused:
        return outcome.refused
    counts = Counter(host.state for host in outcome.hosts)
    changed = sum(1 for host in outcome.hosts if host.changes)
    seconds = (outcome.finished - outcome.started).total_seconds()
    number = len(outcome.changes)
    would = "would be " if outcome.verdict == "planned" else ""
    told = f"{number} change{'' if number == 1 else 's'} {would}made on {changed} host(s)"
    bad = ", ".join(f"{counts[s]} {s}" for s in _COLOURS if s != "ok" and counts[s])
    hosts = f"{len(outcome.hosts)} hosts" if len(outcome.hosts) != 1 else "1 host"
    return f"{hosts}{f', {bad}' if bad else ''}: {told} in {seconds:.1f} s."


def line(change: Change) -> Text:
    """Return a change in one line, with what was found to differ."""
    text = Text.assemble(f"{change.host}: ", (f"{change.stage} | {change.operation}", "yellow"))
    for one in change.differences[:1]:
        text.append(f" ({one.resource} {one.aspect}: {one.actual} -> {one.expected})", "dim")
    return text


def _row(host: HostOutcome, *, planned: bool) -> tuple[str, ...]:
    stages = Counter(change.stage for change in host.changes)
    return (
        escape(host.name),
        f"[{_COLOURS[host.state]}]{host.state}[/]",
        str(len(host.changes)),
        ", ".join(f"{stage} {count}" for stage, count in stages.items()),
        "" if planned else f"{host.seconds:.1f} s",
    )


def _change(change: Change) -> dict[str, Any]:
    seconds = change.seconds
    return asdict(change) | {"seconds": round(seconds, 3) if seconds is not None else None}


def _time(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="seconds")
