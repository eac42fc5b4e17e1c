"""``torchrack lock``: what a fleet runs, exactly, written beside its inventory."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from torchrack.commands.fleet import limited, read_fleet
from torchrack.commands.lock_text import render
from torchrack.contract.conflicts import conflict_problems
from torchrack.errors import ProblemsError
from torchrack.exclusive import exclusive
from torchrack.inventory import FleetHost
from torchrack.lock import file
from torchrack.lock.changes import changes, consequences
from torchrack.lock.make import Made, make
from torchrack.lock.model import Lock, empty
from torchrack.lock.resolve import PARTS, Part
from torchrack.report import console, print_problems


def lock(
    inventory: Annotated[Path, typer.Argument(help="the fleet's inventory file")],
    *,
    upgrade: Annotated[
        list[str] | None,
        typer.Option(metavar="PART", help=f"move a part to the newest: {', '.join(PARTS)}"),
    ] = None,
    limit: Annotated[
        list[str] | None, typer.Option(help="ask only these hosts, separated by commas")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="write nothing; exit with 1 if the lock would change")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for machines")] = False,
) -> None:
    """Resolve what every host gets, and write the exact versions and digests into the lock file.

    Hosts and registries are asked and not changed. What is locked stays as it is while it fits the
    settings; --upgrade moves one part on and says what the next deploy does because of it.

    Exit status: 0 the lock is written or was current, 2 there are conflicts and nothing was
    written, 1 something could not be asked (hosts that could be are in the lock) or the input is
    wrong.
    """
    free = _parts(upgrade or [])
    fleet = read_fleet(inventory, "lock")
    chosen = limited(fleet, limit or [], "lock")
    path = Path(fleet[0].data["_lock_file"])
    with nullcontext() if check else _alone(path):
        old = _old(path)
        made = _make(fleet, chosen, old, free)
        status = _tell(fleet, old, made, path, as_json=as_json)
        if made.conflicts:
            raise typer.Exit(2)
        stale = file.text(made.lock, inventory) != _text(path)
        if check:
            if stale:
                typer.echo(f"torchrack lock: {file.shown(path)} would change", err=True)
            raise typer.Exit(1 if stale else status)
        if stale:
            _write(path, made.lock, inventory)
    raise typer.Exit(status)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep an onboarding, say, from changing the lock between its reading and its writing."""
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive(path.parent))
        except OSError as error:
            typer.echo(f"torchrack lock: {file.shown(path.parent)}: {error.strerror}", err=True)
            raise typer.Exit(1) from None
        yield


def _parts(names: list[str]) -> frozenset[Part]:
    given = [name.strip() for part in names for name in part.split(",")]
    if unknown := sorted(set(given) - set(PARTS)):
        message = f"--upgrade {', '.join(unknown)}: no such part; the parts are {', '.join(PARTS)}"
        typer.echo(f"torchrack lock: {message}", err=True)
        raise typer.Exit(1)
    return frozenset(part for part in PARTS if part in given)


def _old(path: Path) -> Lock:
    try:
        return file.read(path) or empty()
    except ProblemsError as error:
        print_problems("Lock", error.problems)
        raise typer.Exit(1) from None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _make(
    fleet: list[FleetHost], chosen: list[FleetHost], old: Lock, free: frozenset[Part]
) -> Made:
    """Ask all hosts, with a progress bar on a terminal."""
    with Progress(console=console(), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Asking hosts", total=len(chosen))
        return make(
            fleet,
            {host.name for host in chosen},
            old,
            free=free,
            today=dt.datetime.now(dt.timezone.utc).date(),
            answered=lambda: progress.advance(task),
        )


def _tell(fleet: list[FleetHost], old: Lock, made: Made, path: Path, *, as_json: bool) -> int:
    """Print what changes, and all that went wrong; return the exit status without conflicts."""
    settings = {host.name: host.settings for host in fleet}
    found = changes(old, made.lock, settings)
    said = consequences(found, settings, made.loaded, made.lock)
    if as_json:
        data = {
            "file": str(path),
            "changes": [asdict(one) for one in found],
            "consequences": [asdict(one) for one in said],
            "conflicts": {name: asdict(answer) for name, answer in made.conflicts.items()},
            "problems": [asdict(problem) for problem in made.problems],
        }
        typer.echo(json.dumps(data, indent=2))
    else:
        console(stderr=False).print(render(found, said, made, file.shown(path)))
    problems = list(made.problems)
    for name, answer in made.conflicts.items():
        problems += conflict_problems(name, answer)
    if problems:
        print_problems("Could not be locked", problems)
    return int(bool(made.problems))


def _write(path: Path, lock: Lock, inventory: Path) -> None:
    try:
        file.write(path, lock, inventory)
    except OSError as error:
        typer.echo(f"torchrack lock: {file.shown(path)} can't be written: {error}", err=True)
        raise typer.Exit(1) from None
