"""``torchrack doctor``: can this machine look after a fleet?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from torchrack.doctor import fleet, hosts, machine
from torchrack.doctor.model import HERE, Checked, as_data
from torchrack.report import console


def doctor(
    inventory: Annotated[
        Path | None, typer.Argument(help="a fleet's inventory file, to check its files as well")
    ] = None,
    *,
    offline: Annotated[bool, typer.Option("--offline", help="do not contact hosts")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for machines")] = False,
) -> None:
    """Check the machine that Torchrack runs on, with a fix for each problem; nothing is changed.

    Python and packages, programs, folders and disk; with an inventory also keys, agent, pinned host
    keys, lock, secrets, history, and a login to each host, whose clock is compared.

    Exit status: 0 all is well, 1 there is a problem or something could not be checked.
    """
    if inventory is not None and not inventory.is_file():
        typer.echo(f"torchrack doctor: {inventory}: no such inventory", err=True)
        raise typer.Exit(1)
    folder = inventory.resolve().parent if inventory else Path.cwd()
    checks = list(machine.checks(folder))
    if inventory is not None:
        # What is wrong with this machine is wrong for the inventory too; it is told once.
        checks += [one for one in _fleet(inventory, offline=offline) if one not in checks]
    if as_json:
        typer.echo(json.dumps(as_data(checks), indent=2))
    else:
        _show(checks)
    raise typer.Exit(1 if any(one.problem for one in checks) else 0)


def _fleet(inventory: Path, *, offline: bool) -> list[Checked]:
    members, groups, checks = fleet.read(inventory)
    if any(one.problem for one in checks):
        return checks
    checks += fleet.checks(inventory, members, groups)
    if members and not offline:
        columns = (TextColumn("Logging in to hosts"), BarColumn(), MofNCompleteColumn())
        screen = console()
        with Progress(
            *columns, console=screen, transient=True, disable=not screen.is_terminal
        ) as p:
            task = p.add_task("", total=len(members))
            checks += hosts.checks(members, lambda: p.advance(task))
    return checks


def _show(checks: Sequence[Checked]) -> None:
    screen = console(stderr=False)
    width = max(len(one.what) for one in checks)
    for one in checks:
        mark = Text("ok     ", "green") if one.problem is None else Text("problem", "bold red")
        screen.print(mark, Text(f"{one.what:<{width}}  {one.found}"), soft_wrap=True)
        if one.problem:
            where = "" if one.problem.where == HERE else f"{one.problem.where}: "
            screen.print(Text(f"        {where}needed {one.problem.needed}"), soft_wrap=True)
            screen.print(Text(f"        to do: {one.problem.fix}"), soft_wrap=True)
    count = sum(one.problem is not None for one in checks)
    typer.echo(f"\n{count} problem(s)." if count else "\nAll is well.")
