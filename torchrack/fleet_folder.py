"""The folder of a fleet, found from its inventory: the current folder never decides what a host is.

It is the nearest folder with a ``deploy.py``, from the inventory's own upwards, no further than the
repository; where there is none, the one above ``inventories``, or the nearest with ``group_data``.
"""

from __future__ import annotations

from pathlib import Path

DEPLOY = "deploy.py"
GROUP_DATA = "group_data"
_INVENTORIES = ("inventories", "inventory")
_LEVELS = 4
"""Folders that are looked at: the inventory's own, and those above it."""

_current = Path()
"""The folder of the fleet that was read last; a command reads one."""


def folder_of(inventory: str | Path) -> Path:
    """Return the folder of an inventory's fleet, symbolic links followed."""
    own = Path(inventory).resolve().parent
    near = _near(own)
    for folder in near:
        if (folder / DEPLOY).exists():
            return folder
    if own.name in _INVENTORIES and (own.parent / GROUP_DATA).is_dir():
        return own.parent
    return next((folder for folder in near if (folder / GROUP_DATA).is_dir()), own)


def undecided(inventory: str | Path) -> list[Path]:
    """Return group data folders of which nobody can say whether they are this fleet's."""
    own = Path(inventory).resolve().parent
    folders = [one / GROUP_DATA for one in (own, own.parent)]
    known = group_data_of(inventory)
    there = all(one.is_dir() for one in folders) and not set(folders) <= set(known)
    return folders if there and not (folder_of(inventory) / DEPLOY).exists() else []


def _near(own: Path) -> list[Path]:
    found = []
    for folder in (own, *own.parents)[:_LEVELS]:
        found.append(folder)
        if (folder / ".git").exists():
            break
    return found


def group_data_of(inventory: str | Path) -> list[Path]:
    """Return the group data folders of an inventory, from the fleet's down to its own.

    What a nearer one says of a group counts more. They need not exist.
    """
    own, fleet = Path(inventory).resolve().parent, folder_of(inventory)
    between = [one for one in (own, *own.parents) if one == fleet or fleet in one.parents]
    return [one / GROUP_DATA for one in reversed(between)]


def enter(inventory: str | Path) -> None:
    """Have relative paths of settings begin in the folder of an inventory's fleet."""
    global _current  # noqa: PLW0603 - settings know nothing of the inventory that they belong to
    _current = folder_of(inventory)


def current() -> Path:
    """Return the folder of the fleet that was read last, the current one before that."""
    return _current


def here(path: str | Path) -> Path:
    """Return where a path of the settings leads; a relative one begins in the fleet's folder.

    Args:
        path: as it stands in the settings.
    """
    found = Path(path).expanduser()
    return found if _current == Path.cwd() else _current / found


def beside(inventory: str | Path, ending: str) -> Path:
    """Return the file that belongs to an inventory: ``.lock.yml`` in the place of its ``.py``."""
    path = Path(inventory)
    return (path.resolve() if path.is_symlink() else path).with_suffix(ending)
