"""``torchrack onboard --print-cloud-init``: files for servers that have not booted yet."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import typer

from torchrack.errors import HostError, Problem, ProblemsError
from torchrack.lock.file import shown
from torchrack.onboard.admin import admin_public_key
from torchrack.onboard.joining import Joining
from torchrack.onboard.prepare import Kind, prepare

_ENDINGS: dict[Kind, str] = {"cloud-init": "user-data.yml", "autoinstall": "autoinstall.yml"}


def prepare_all(
    inventory: Path, joinings: Sequence[Joining], kind: Kind, output: Path | None
) -> None:
    """Write a file for each server, pin its host key, and say what comes next.

    Args:
        inventory: the fleet's inventory file.
        joinings: the servers.
        kind: for an image that runs cloud-init, or for Ubuntu's installer.
        output: the file, where it is one server; left out, NAME with the kind's ending.

    Raises:
        ProblemsError: one can't be prepared; those before it are.
    """
    if output is not None and len(joinings) > 1:
        needed, fix = "a file for each", "leave --output out: the files get the servers' names"
        problem = Problem("options", "--output", f"one for {len(joinings)} servers", needed, fix)
        raise ProblemsError("Nothing was written.", [problem])
    for joining in joinings:
        newcomer = joining.newcomer
        file = output or Path(f"{newcomer.name}.{_ENDINGS[kind]}")
        try:
            if joining.listed:
                raise HostError(_listed(joining, inventory))
            key = prepare(
                newcomer,
                admin_public_key(newcomer),
                kind=kind,
                output=file,
                known_hosts=joining.known_hosts,
            )
        except HostError as error:
            raise ProblemsError("It can't be prepared.", [error.problem]) from None
        words = ["torchrack", "onboard", shown(inventory)]
        words += ["--name", newcomer.name, "--address", newcomer.address]
        words += ["--port", str(newcomer.port)] if newcomer.port != 22 else []
        typer.echo(f"{newcomer.name}: {shown(file)}, host key {key} pinned. Once it has booted:")
        typer.echo(f"  {shlex.join(words)}")


def _listed(joining: Joining, inventory: Path) -> Problem:
    return Problem(
        joining.newcomer.name,
        "Inventory",
        f"it stands in {shown(inventory)}",
        "a server that is in no fleet yet",
        f"torchrack offboard {shown(inventory)} --name {joining.newcomer.name}",
    )
