"""What the sections of a page are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    kind: ClassVar[str] = "facts"
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table; each row has a cell a heading."""

    kind: ClassVar[str] = "table"
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Lines:
    """Sentences, each for itself."""

    kind: ClassVar[str] = "lines"
    lines: tuple[str, ...]


Block = Facts | Table | Lines


@dataclass(frozen=True)
class Section:
    """A part of the page; a folded one is opened by whoever wants to see it."""

    heading: str
    blocks: tuple[Block, ...]
    folded: bool = False


def block(value: object) -> Block:
    """Return a value of a heading as a block.

    Args:
        value: a mapping of names to values, a list of lines, or a text.
    """
    if isinstance(value, Mapping):
        return Facts(tuple((str(name), _text(one)) for name, one in value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Lines(tuple(map(_text, value)))
    return Lines((_text(value),))


def _text(value: object) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return ("no", "yes")[value]
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(one)}" for name, one in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_text, value)) or "none"
    return str(value)
