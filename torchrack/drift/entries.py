"""Files beside an inventory that are lists of entries: waivers and alerts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from torchrack.errors import Problem, ProblemsError
from torchrack.lock.file import shown

T = TypeVar("T")


class EntriesError(ProblemsError, Generic[T]):
    """A file with entries that are none; ``good`` holds the others."""

    def __init__(self, summary: str, problems: Iterable[Problem], good: Sequence[T]) -> None:
        super().__init__(summary, problems)
        self.good = list(good)


def read(path: Path, kind: TypeAdapter[T], what: str, needed: str) -> list[T]:
    """Return the entries of a file; none where there is no file.

    Args:
        path: the YAML file.
        kind: what an entry has to be.
        what: what an entry is called, with a capital ("Waiver").
        needed: what the file has to be, for messages.

    Raises:
        EntriesError: it is no such file; all that is wrong with it is told, with its lines.
    """
    entries: list[T] = []

    def wrong(found: list[tuple[str, str, str]]) -> EntriesError[T]:
        fix = "correct it; docs/drift.md has an example"
        problems = [Problem(where, about, said, needed, fix) for where, about, said in found]
        name = what.lower()
        return EntriesError(f"{shown(path)} is no {name} file.", problems, entries)

    try:
        text = path.read_text(encoding="utf-8")
        data, lines = yaml.safe_load(text), _lines(text)
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise wrong([(shown(path), f"{what}s", " ".join(str(error).split()))]) from None
    if data is None:
        return []
    if not isinstance(data, list):
        raise wrong([(shown(path), f"{what}s", f"{type(data).__name__} in it")])
    problems = []
    for line, entry in zip(lines, data, strict=True):
        try:
            entries.append(kind.validate_python(entry))
        except ValidationError as error:
            problems += [
                (f"{shown(path)}:{line}", f"{what}: {_place(one)}", one["msg"])
                for one in error.errors()
            ]
    if problems:
        raise wrong(problems)
    return entries


def _lines(text: str) -> list[int]:
    """The line of each entry of a list."""
    node = yaml.compose(text)
    entries: list[Any] = node.value if isinstance(node, yaml.SequenceNode) else []
    return [entry.start_mark.line + 1 for entry in entries]


def _place(error: Any) -> str:
    return ".".join(map(str, error["loc"])) or "entry"
