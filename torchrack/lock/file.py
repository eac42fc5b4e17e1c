"""The lock file: read whole or refused, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from torchrack import atomic, safe_yaml
from torchrack.errors import Problem, ProblemsError
from torchrack.lock.model import Lock

_HEAD = """\
# What the hosts of {inventory} run, exactly. Written by: torchrack lock {inventory}
# Review the changes and commit them; a deploy installs this and nothing else.
"""


def shown(path: str | Path) -> str:
    """Return a path as a person would type it: relative where it is below this folder."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def read(path: Path) -> Lock | None:
    """Return the lock in a file, or None where there is no file.

    Raises:
        ProblemsError: it is not one; all that is wrong with it is told.
    """
    try:
        data = safe_yaml.load(path.read_text(encoding="utf-8"))
        return Lock.model_validate(data)
    except FileNotFoundError:
        return None
    except ValidationError as error:
        found = [
            (".".join(map(str, one["loc"])) or "the file", one["msg"]) for one in error.errors()
        ]
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        found = [("the file", " ".join(str(error).split()))]
    fix = "take back what was edited by hand, or remove the file and run torchrack lock"
    problems = [
        Problem(shown(path), f"Lock: {place}", said.removeprefix("Value error, "), "a lock", fix)
        for place, said in found
    ]
    raise ProblemsError(f"{shown(path)} is no lock file; no host was contacted.", problems)


def text(lock: Lock, inventory: str | Path) -> str:
    """Return the file's text: sorted, so that a change shows as the lines that changed.

    Args:
        lock: what is in it.
        inventory: the inventory it belongs to, for the comment.
    """
    data = {
        "schema": lock.schema_,
        "images": {
            name: lock.images[name].model_dump(exclude_none=True) for name in sorted(lock.images)
        },
        "groups": [
            group.model_dump(mode="json", exclude_defaults=False)
            for group in sorted(lock.groups, key=lambda group: group.hosts)
        ],
    }
    body = yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
    return _HEAD.format(inventory=shown(inventory)) + body


def write(path: Path, lock: Lock, inventory: str | Path) -> None:
    """Write a lock file.

    Raises:
        OSError: the folder can't be written.
    """
    atomic.write(path, text(lock, inventory))


class _Dumper(yaml.SafeDumper):
    """Lists of plain values on one line, nothing by reference."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def represent_sequence(
        self, tag: str, sequence: Iterable[Any], flow_style: bool | None = None
    ) -> yaml.nodes.SequenceNode:
        items = list(sequence)
        plain = all(isinstance(item, str) for item in items)
        return super().represent_sequence(tag, items, flow_style=plain)
