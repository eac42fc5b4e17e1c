"""Group data that pyinfra reads, or a person may expect to be read, from other folders."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path
from shlex import join, quote

import click

from torchrack.errors import Problem
from torchrack.fleet_folder import DEPLOY, GROUP_DATA, folder_of, group_data_of, undecided
from torchrack.lock.file import shown
from torchrack.settings.load import load_folder
from torchrack.settings.model import SECTIONS


def given_to_pyinfra() -> list[Path]:
    """Return what ``pyinfra --group-data`` names, where pyinfra reads the inventory."""
    context = click.get_current_context(silent=True)
    return [Path(one) for one in (context.params.get("group_data") or () if context else ())]


def not_the_fleets(inventory: Path, groups: Collection[str]) -> list[Problem]:
    """Return what keeps us from knowing which group data an inventory has.

    Args:
        inventory: its file, symbolic links followed.
        groups: the groups that its hosts are in.
    """
    if folders := undecided(inventory):
        found = f"{folders[1]} as well, and no {DEPLOY} that says which folder is the fleet's"
        fix = f"put {DEPLOY} into the fleet's folder, or all settings into one of the two"
        return [Problem(shown(folders[0]), "Group data", found, "one fleet's folder", fix)]
    ours, other = group_data_of(inventory), (Path.cwd() / GROUP_DATA).resolve()
    given = [folder.resolve() for folder in given_to_pyinfra()]
    if other in (folder.resolve() for folder in ours) or other in given or not other.is_dir():
        return []
    context = click.get_current_context(silent=True)
    by_pyinfra = context is not None and "group_data" in context.params
    lost = not any(folder.is_dir() for folder in ours)
    if not (by_pyinfra or lost):
        return []
    data: set[str] = set()
    for group, values in load_folder(other)[0].items():
        data |= set(values) if group in groups else set()
    if lost and data & set(SECTIONS):
        found = f"settings ({', '.join(sorted(data & set(SECTIONS)))}) in the current folder"
        needed = f"group data in the folder of the inventory, {inventory.parent}, or above it"
        fix = (
            "move the inventory into the fleet that they belong to; where they are another "
            f"fleet's, go to another folder: cd {quote(str(inventory.parent))}"
        )
        return [Problem(str(other), "Group data", found, needed, fix)]
    if by_pyinfra and (plain := sorted(data - set(SECTIONS))):
        command = f"cd {quote(str(folder_of(inventory)))} && {_again()}"
        found = f"{', '.join(plain)}, which pyinfra takes from the current folder"
        needed = f"the group data of {shown(inventory)} alone"
        return [Problem(str(other), "Group data", found, needed, f"run {command}")]
    return []


def _again() -> str:
    """Return pyinfra's command line as it is typed in any folder."""
    words = [os.path.abspath(one) if Path(one).is_file() else one for one in sys.argv[1:]]
    return join(["pyinfra", *words])
