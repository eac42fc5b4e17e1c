"""Inventories, as commands read them: whatever is wrong is told, and ends the command with 1."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import typer

from torchrack.errors import Problem, ProblemsError
from torchrack.fleet_folder import DEPLOY, folder_of
from torchrack.inventory import FleetHost, load_fleet
from torchrack.knowledge import Knowledge
from torchrack.lock.file import shown
from torchrack.lock.fleet import exact, new_hosts
from torchrack.report import print_problems
from torchrack.settings.section import collecting

T = TypeVar("T")

_SOURCE = Path(__file__).resolve().parents[2]
"""The folder that this Torchrack is run from, with its own deploy file."""


def read_fleet(inventory: Path, command: str) -> list[FleetHost]:
    """Return the hosts of an inventory.

    Args:
        inventory: its file.
        command: the command that asks, for messages ("plan").

    Raises:
        typer.Exit: it can't be read, or has no host; all problems have been told.
    """
    fleet = reading(inventory, command, load_fleet)
    if not fleet:
        needed, fix = "at least one", "add a list of host()"
        print_problems("Inventory", [Problem(str(inventory), "Inventory", "no host", needed, fix)])
        raise typer.Exit(1)
    return fleet


def deploy_of(inventory: Path, given: Path | None, command: str) -> Path:
    """Return the deploy file of a fleet: what ``--deploy`` names, else that of its folder.

    Where that has none, Torchrack's own in the current folder will do, which has all stages;
    another fleet's will not.

    Args:
        inventory: the inventory's file.
        given: what was named.
        command: the command that asks, for messages.

    Raises:
        typer.Exit: none was named, and the fleet's folder has none.
    """
    own = folder_of(inventory) / DEPLOY
    if not own.is_file() and Path.cwd() == _SOURCE and Path(DEPLOY).is_file():
        own = _SOURCE / DEPLOY
    if given is None and not own.is_file():
        message = f"no {DEPLOY} in the fleet's folder {own.parent}: name it with --deploy"
        typer.echo(f"torchrack {command}: {message}", err=True)
        raise typer.Exit(1)
    return given or Path(shown(own))


def reading(inventory: Path, command: str, load: Callable[[Path], T]) -> T:
    """Return what a function reads from an inventory.

    Args:
        inventory: its file.
        command: the command that asks, for messages.
        load: reads the file.

    Raises:
        typer.Exit: it can't be read; all problems have been told.
    """
    problems: list[Problem] = []
    try:
        with collecting(problems):
            found = load(inventory)
    except SystemExit as said:  # check_fleet's, and an inventory's own
        if problems:
            print_problems("Inventory", dict.fromkeys(problems))
        typer.echo(f"torchrack {command}: {said.code or 'the inventory ended early'}", err=True)
        raise typer.Exit(1) from None
    except Exception as error:  # an inventory is a program: it can fail in any way
        problems = problems or [_broken(inventory, error)]
    if problems:
        print_problems("Inventory", dict.fromkeys(problems))
        raise typer.Exit(1)
    return found


def locked(inventory: Path, command: str, limit: Iterable[str] = ()) -> list[FleetHost]:
    """Return the hosts of an inventory with settings that its lock has made exact.

    Args:
        inventory: its file.
        command: the command that asks, for messages.
        limit: as of :func:`limited`; a host that it leaves out need not be locked.

    Raises:
        typer.Exit: it can't be read, or its lock does not fit it; all problems have been told.
    """
    fleet = limited(read_fleet(inventory, command), limit, command)
    try:
        return exact(fleet, inventory)
    except ProblemsError as error:
        print_problems("Lock", error.problems)
        raise typer.Exit(1) from None


def locked_in_part(
    inventory: Path, command: str, limit: Iterable[str]
) -> tuple[list[FleetHost], list[Problem], bool]:
    """Return hosts as :func:`locked` does, apart from those that the lock does not know yet.

    Args:
        inventory: its file.
        command: the command that asks, for messages.
        limit: as of :func:`limited`.

    Returns:
        The hosts; a problem for each of the others; whether these are all of the inventory.

    Raises:
        typer.Exit: it can't be read, its lock does not fit it, or knows none of the hosts.
    """
    fleet = read_fleet(inventory, command)
    chosen = limited(fleet, limit, command)
    try:
        new = new_hosts(chosen)
        names = {problem.where for problem in new}
        rest = [host for host in chosen if host.name not in names] or chosen
        return exact(rest, inventory), new, len(chosen) == len(fleet)
    except ProblemsError as error:
        print_problems("Lock", error.problems)
        raise typer.Exit(1) from None


def limited(fleet: list[FleetHost], limit: Iterable[str], command: str) -> list[FleetHost]:
    """Return the hosts that ``--limit`` names, all where it names none.

    Args:
        fleet: the hosts of the inventory.
        limit: names, several in one separated by commas.
        command: the command that asks, for messages.

    Raises:
        typer.Exit: a name is not in the inventory.
    """
    names = {name.strip() for part in limit for name in part.split(",")} - {""}
    known = {host.name for host in fleet}
    if names - known:
        unknown = ", ".join(sorted(names - known))
        message = f"--limit: no host {unknown} in the inventory; it has {', '.join(sorted(known))}"
        typer.echo(f"torchrack {command}: {message}", err=True)
        raise typer.Exit(1)
    return [host for host in fleet if not names or host.name in names]


def fleet_tables(inventory: Path, command: str) -> Knowledge:
    """Return the knowledge tables with the rows of a fleet's own.

    Args:
        inventory: its file.
        command: the command that asks, for messages.

    Raises:
        typer.Exit: the inventory can't be read, or its hosts have different rows.
    """
    tables = {host.settings.knowledge.tables() for host in read_fleet(inventory, command)}
    if len(tables) > 1:
        message = "the hosts of the inventory have different knowledge.rows: name them in all.py"
        typer.echo(f"torchrack {command}: {message}", err=True)
        raise typer.Exit(1)
    return tables.pop()


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
