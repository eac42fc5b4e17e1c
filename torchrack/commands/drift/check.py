"""``torchrack drift``: what on a fleet is not as it was deployed."""

from __future__ import annotations

import datetime as dt
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from torchrack import atomic
from torchrack.commands.drift.look import look, remember
from torchrack.commands.drift.nightly import failure_told
from torchrack.commands.fleet import deploy_of, locked_in_part
from torchrack.drift import history, waivers
from torchrack.drift.alone import alone
from torchrack.drift.model import Severity
from torchrack.drift.output import FORMATS, Format, table
from torchrack.drift.select import moment, select
from torchrack.drift.verdict import STATUS, verdict
from torchrack.errors import ProblemsError
from torchrack.report import console, print_problems

if TYPE_CHECKING:
    from torchrack.drift.alerts.targets import Target


def check(
    inventory: Annotated[Path, typer.Argument(help="the fleet's inventory file")],
    *,
    host: Annotated[
        list[str] | None, typer.Option("--host", help="only these hosts, separated by commas")
    ] = None,
    deploy_file: Annotated[
        Path | None,
        typer.Option(
            "--deploy",
            help="the deploy file whose operations are compared with (the one of the fleet)",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="print JSON for machines: --format json")
    ] = False,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="NAME[:FILE]",
            help=f"print it so ({', '.join(FORMATS)}), or write it to a file; again for each",
        ),
    ] = None,
    severity: Annotated[
        Severity | None, typer.Option("--severity", help="only what is as grave as this, or graver")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", help="only what came since then: 2026-11-20, 24h, 7d"),
    ] = None,
    nightly: Annotated[
        bool,
        typer.Option("--nightly", help="one such check at a time, and alerts about what changed"),
    ] = False,
    time_limit: Annotated[
        float | None,
        typer.Option("--time-limit", min=1, help="seconds; who has not answered by then is told"),
    ] = None,
) -> None:
    """Compare hosts with what the deploy declares; nothing on them is changed.

    All that deploy.py sets is compared, by its own operations. What a host differs in is drift
    where the same was declared at its last deploy, and pending where something else is declared
    now.

    A finding that somebody answers for in the inventory's .waivers.yml does not count, nor does
    one that --severity or --since leaves out; what could not be checked always does.

    Exit status: 0 in sync, 2 all was checked and something differs, 1 something or all could not
    be checked, a report could not be written or the input is wrong (what was found is shown all
    the same), 130 interrupted.
    """
    wanted = _formats([*(formats or []), *(["json"] if as_json else [])])
    after = _moment(since)
    with failure_told(inventory) if nightly else nullcontext():
        hosts, new, whole = locked_in_part(inventory, "drift", host or [])
        told = _targets(inventory) if nightly else []
        chosen_file = deploy_of(inventory, deploy_file, "drift")
        path = history.path_of(inventory)
        with alone(path.with_suffix(".lock")) if nightly else nullcontext():
            checked = look(
                inventory, hosts, chosen_file, new=new, whole_fleet=whole, seconds=time_limit
            )
            seen, past = remember(inventory, checked)
            if nightly:
                _notify(path.with_suffix(".alerts.json"), told, checked)
    chosen = select(checked, seen, severity=severity, since=after)
    told_all = _tell(chosen, seen, past, wanted)
    _end(STATUS[verdict(chosen)] if told_all else 1, hard=time_limit is not None)


def _targets(inventory: Path) -> list[Target]:
    from torchrack.drift.alerts import targets  # noqa: PLC0415 - mail and HTTP, for nights alone

    try:
        return targets.read(targets.path_of(inventory))
    except ProblemsError as error:
        print_problems("Alerts", error.problems)
        raise typer.Exit(1) from None


def _notify(file: Path, told: list[Target], checked: waivers.Waived) -> None:
    from torchrack.drift.alerts.notify import notify  # noqa: PLC0415 - as above

    for failure in notify(file, told, checked):
        typer.echo(f"torchrack drift: {failure}", err=True)


def _end(status: int, *, hard: bool) -> NoReturn:
    """End with an exit status; at once where a time limit was given.

    A thread that still waits for a host would keep the process until its own limit.
    """
    if not hard:
        raise typer.Exit(status)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _moment(since: str | None) -> dt.datetime | None:
    try:
        return moment(since, dt.datetime.now(dt.timezone.utc)) if since else None
    except ValueError:
        message = f"--since {since}: neither a date (2026-11-20) nor a time ago (90m, 24h, 7d)"
        typer.echo(f"torchrack drift: {message}", err=True)
        raise typer.Exit(1) from None


def _formats(names: list[str]) -> list[tuple[Format, str]]:
    """Return formats with the files that they go to, an empty name for standard output."""
    wanted: list[tuple[Format, str]] = []
    for name, _, file in (one.partition(":") for one in names):
        if name not in FORMATS:
            message = f"--format {name}: no such format; there are {', '.join(FORMATS)}"
            typer.echo(f"torchrack drift: {message}", err=True)
            raise typer.Exit(1)
        wanted += [(known, file) for known in FORMATS if known == name]
    if sum(not file for _, file in wanted) > 1:
        typer.echo("torchrack drift: --format: one without a file at most", err=True)
        raise typer.Exit(1)
    return wanted


def _tell(
    checked: waivers.Waived,
    seen: dict[tuple[str, str], history.Seen],
    past: history.History,
    wanted: list[tuple[Format, str]],
) -> bool:
    """Write the formats that go to files, and print the one that does not, or the table.

    Returns:
        Whether all files could be written; what could not is told, and the rest is told as well.
    """
    written = True
    for name, file in wanted:
        text = FORMATS[name](checked, seen, past)
        if not file:
            typer.echo(text, nl=False)
            continue
        try:
            atomic.write(Path(file), text)
        except OSError as error:
            typer.echo(f"torchrack drift: {file} can't be written: {error}", err=True)
            written = False
    if all(file for _, file in wanted):
        console(stderr=False).print(table.render(checked, seen))
    return written
