"""``torchrack plan``: the contract of every host of a fleet, from what the hosts are now."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from torchrack.commands.plan_json import as_data
from torchrack.commands.plan_text import render
from torchrack.contract.plan import plan as plan_fleet
from torchrack.contract.plan import status
from torchrack.errors import Problem
from torchrack.inventory import FleetHost, load_fleet
from torchrack.preflight.facts import HostFacts
from torchrack.preflight.remote import gather
from torchrack.report import console, print_problems
from torchrack.settings.section import collecting


def plan(
    inventory: Annotated[Path, typer.Argument(help="the fleet's inventory file")],
    *,
    limit: Annotated[
        list[str] | None, typer.Option(help="only these hosts, separated by commas")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for machines")] = False,
) -> None:
    """Ask the hosts what they are, and show the contract of each; nothing is changed.

    Exit status: 0 every host has a contract (perhaps with warnings), 2 there are conflicts,
    1 a host could not be asked or the inventory is wrong. With both, it is 2 and both are told.
    """
    hosts = _limited(_fleet(inventory), limit or [])
    today = dt.datetime.now(dt.timezone.utc).date()
    plans = plan_fleet(hosts, _facts(hosts), today=today)
    problems = [one.outcome for one in plans if isinstance(one.outcome, Problem)]
    if as_json:
        typer.echo(json.dumps(as_data(plans), indent=2))
    else:
        shown = console(stderr=False)
        shown.print(render(plans, shown.width))
    if problems:
        print_problems("Could not tell", problems)
    raise typer.Exit(status(plans))


def _fleet(inventory: Path) -> list[FleetHost]:
    """Read the inventory; whatever is wrong with it is told, and ends the command with 1."""
    problems: list[Problem] = []
    fleet: list[FleetHost] = []
    failed = False
    try:
        with collecting(problems):
            fleet = load_fleet(inventory)
    except SystemExit as said:  # check_fleet's, and an inventory's own
        failed = True
        typer.echo(f"torchrack plan: {said.code or 'the inventory ended early'}", err=True)
    except Exception as error:  # an inventory is a program: it can fail in any way
        failed = True
        if not problems:
            problems.append(_broken(inventory, error))
    if not (fleet or problems or failed):
        problems.append(
            Problem(str(inventory), "Inventory", "no host", "at least one", "add a list of host()")
        )
    if problems:
        print_problems("Inventory", dict.fromkeys(problems))
    if problems or failed:
        raise typer.Exit(1)
    return fleet


def _broken(inventory: Path, error: Exception) -> Problem:
    path, line, trace = str(inventory.resolve()), None, error.__traceback__
    if isinstance(error, SyntaxError):
        line = error.lineno
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return Problem(
        f"{inventory}:{line}" if line else str(inventory),
        "Inventory",
        f"{type(error).__name__}: {error}",
        "an inventory that can be read",
        "correct it; no host was contacted",
    )


def _limited(fleet: list[FleetHost], limit: Iterable[str]) -> list[FleetHost]:
    names = {name.strip() for part in limit for name in part.split(",")} - {""}
    known = {host.name for host in fleet}
    if names - known:
        unknown = ", ".join(sorted(names - known))
        message = f"--limit: no host {unknown} in the inventory; it has {', '.join(sorted(known))}"
        typer.echo(f"torchrack plan: {message}", err=True)
        raise typer.Exit(1)
    return [host for host in fleet if not names or host.name in names]


def _facts(hosts: list[FleetHost]) -> dict[str, HostFacts | Problem]:
    """Ask all hosts, with a progress bar on a terminal."""
    with Progress(console=console(), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Asking hosts", total=len(hosts))
        return gather(hosts, lambda: progress.advance(task))
