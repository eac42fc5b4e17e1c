"""``torchrack drift history`` and ``drift diff``: what earlier checks found."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.table import Table
from rich.text import Text

from torchrack.drift import history as histories
from torchrack.drift.history import Check, History, Span
from torchrack.report import console

_Inventory = Annotated[Path, typer.Argument(help="the fleet's inventory file")]
_Json = Annotated[bool, typer.Option("--json", help="print JSON for machines")]


def history(
    inventory: _Inventory,
    ids: Annotated[
        str,
        typer.Argument(metavar="[ID]", help="an id or a pattern; all if left out"),
    ] = "*",
    *,
    host: Annotated[str, typer.Option("--host", help="only this host, or a pattern")] = "*",
    last: Annotated[int, typer.Option("--last", min=1, help="how many checks to list")] = 14,
    as_json: _Json = False,
) -> None:
    """List the last checks, and since when and until when findings were there.

    Exit status: 0, or 1 when no check was made yet or the history can't be read.
    """
    past = _read(inventory)
    checks = past.checks[-last:]
    spans = [
        span
        for span in past.spans
        if fnmatch(span.id, ids) and fnmatch(span.host, host) and span.last >= checks[0].started
    ]
    if as_json:
        data = {
            "checks": [_check(check) | {"findings": len(past.at(check))} for check in checks],
            "findings": list(map(_span, spans)),
        }
        typer.echo(json.dumps(data, indent=2))
        return
    out = console(stderr=False)
    table = Table(
        "Check", "When (UTC)", "Verdict", "Findings", title="Checks", title_justify="left"
    )
    for check in checks:
        table.add_row(
            str(check.number), _when(check.started), check.verdict, str(len(past.at(check)))
        )
    out.print(table)
    if spans:
        out.print(_spans("Findings", spans))


def diff(
    inventory: _Inventory,
    first: Annotated[
        str, typer.Argument(metavar="[NIGHT1]", help="a check's number, or a date: its last check")
    ] = "",
    second: Annotated[
        str, typer.Argument(metavar="[NIGHT2]", help="the later one; the last check if left out")
    ] = "",
    *,
    as_json: _Json = False,
) -> None:
    """Say what came and what went between two checks; between the last two if none is named.

    Exit status: 0 the same findings, 2 others, 1 there are no such checks.
    """
    past = _read(inventory)
    checks = past.checks
    later = _named(second, checks) if second else checks[-1]
    before = [check for check in checks if check.number < later.number]
    if not first and not before:
        _fail("there is one check only: nothing to compare it with")
    earlier = _named(first, checks) if first else before[-1]
    if earlier.number > later.number:
        earlier, later = later, earlier
    there, here = past.at(earlier), past.at(later)
    came, went = _without(here, there), _without(there, here)
    if as_json:
        data = {
            "first": _check(earlier),
            "second": _check(later),
            "came": list(map(_span, came)),
            "went": list(map(_span, went)),
            "stayed": len(here) - len(came),
        }
        typer.echo(json.dumps(data, indent=2))
    else:
        out = console(stderr=False)
        out.print(f"From {_told(earlier)} to {_told(later)}", highlight=False)
        for title, spans in (("Came", came), ("Went", went)):
            if spans:
                out.print(_spans(title, spans))
        out.print(f"{len(came)} came, {len(went)} went, {len(here) - len(came)} stayed.")
    raise typer.Exit(2 if came or went else 0)


def _read(inventory: Path) -> History:
    try:
        past = histories.read(histories.path_of(inventory))
    except histories.HistoryError as error:
        _fail(f"the history can't be read: {error}")
    if not past.checks:
        _fail(f"no check of {inventory} was made by this user yet: run torchrack drift {inventory}")
    return past


def _named(name: str, checks: tuple[Check, ...]) -> Check:
    fits: Callable[[Check], bool]
    if name.isdigit():
        fits = lambda check: check.number == int(name)  # noqa: E731
    else:
        try:
            day = dt.date.fromisoformat(name)
        except ValueError:
            _fail(f"{name}: neither a check's number nor a date (2026-11-20)")
        fits = lambda check: check.started.date() == day  # noqa: E731
    found = [check for check in checks if fits(check)]
    if not found:
        _fail(f"no check {name}; the history goes from {_told(checks[0])} to {_told(checks[-1])}")
    return found[-1]


def _without(spans: tuple[Span, ...], others: tuple[Span, ...]) -> list[Span]:
    """Return what is not among others; a finding that went and came again is the same one."""
    known = {(span.host, span.id) for span in others}
    return [span for span in spans if (span.host, span.id) not in known]


def _spans(title: str, spans: list[Span]) -> Table:
    headings = ("Host", "Finding", "From", "To", "Since the deploy")
    table = Table(*headings, title=title, title_justify="left")
    for span in spans:
        to = "there still" if span.open else _when(span.last)
        deploy = Text(span.deploy or "unknown")
        table.add_row(Text(span.host), Text(span.id), _when(span.first), to, deploy)
    return table


def _check(check: Check) -> dict[str, Any]:
    started = check.started.isoformat(timespec="seconds")
    return {"number": check.number, "started": started, "verdict": check.verdict}


def _span(span: Span) -> dict[str, Any]:
    return {
        "host": span.host,
        "id": span.id,
        "first_seen": span.first.isoformat(timespec="seconds"),
        "last_seen": span.last.isoformat(timespec="seconds"),
        "open": span.open,
        "deploy": span.deploy,
    }


def _told(check: Check) -> str:
    return f"check {check.number} ({_when(check.started)} UTC)"


def _when(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M")


def _fail(message: str) -> NoReturn:
    typer.echo(f"torchrack drift: {message}", err=True)
    raise typer.Exit(1)
