"""``torchrack plan``: the contract of every host of a fleet, from what the hosts are now."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from torchrack.commands.fleet import limited, read_fleet
from torchrack.commands.plan_json import as_data
from torchrack.commands.plan_text import render
from torchrack.contract.plan import plan as plan_fleet
from torchrack.contract.plan import status
from torchrack.errors import Problem
from torchrack.inventory import FleetHost
from torchrack.preflight.facts import HostFacts
from torchrack.preflight.remote import gather
from torchrack.report import console, print_problems


def plan(
    inventory: Annotated[Path, typer.Argument(help="the fleet's inventory file")],
    *,
    limit: Annotated[
        list[str] | None, typer.Option(help="only these hosts, separated by commas")
    ] = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="ask registries what is in the images")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for machines")] = False,
) -> None:
    """Ask the hosts what they are, and show the contract of each; nothing is changed.

    Exit status: 0 every host has a contract (perhaps with warnings), 2 there are conflicts,
    1 a host or a registry could not be asked or the inventory is wrong. With both, it is 2 and both
    are told.
    """
    hosts = limited(read_fleet(inventory, "plan"), limit or [], "plan")
    today = dt.datetime.now(dt.timezone.utc).date()
    plans = plan_fleet(hosts, _facts(hosts), today=today, with_images=images)
    problems = dict.fromkeys(one.outcome for one in plans if isinstance(one.outcome, Problem))
    if as_json:
        typer.echo(json.dumps(as_data(plans), indent=2))
    else:
        shown = console(stderr=False)
        shown.print(render(plans, shown.width))
    if problems:
        print_problems("Could not tell", problems)
    raise typer.Exit(status(plans))


def _facts(hosts: list[FleetHost]) -> dict[str, HostFacts | Problem]:
    """Ask all hosts, with a progress bar on a terminal."""
    with Progress(console=console(), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Asking hosts", total=len(hosts))
        return gather(hosts, lambda: progress.advance(task))
