"""Change one entry of a YAML file and leave every other line as people wrote it.

Entries are in mappings of mappings. The lines of the entry are put in or taken out; where the file
is written in a way that this can't serve (``group: {a: 1}``), ruamel.yaml writes it anew, which
keeps comments and order, too.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError


class CommentsError(YAMLError):
    """The file has comments in places where they would be lost; it was not changed."""


def load(text: str) -> Any:
    """Return what a YAML text says; mappings know their lines (``.lc``).

    Raises:
        YAMLError: it is none, or names a key twice.
    """
    return _yaml().load(text)


def put(
    text: str, parent: str, key: str, value: Mapping[str, Any], before: Collection[str] = ()
) -> str:
    """Return the text with one more entry, the last one of its parent.

    Args:
        text: a mapping of mappings, or nothing yet.
        parent: the key that the entry stands under; added where it is missing.
        key: its name, which is not there yet.
        value: plain values.
        before: names of entries that it stands in front of, where no comment would come between.

    Raises:
        CommentsError: a comment would be lost.
    """
    data = load(text)
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    if data is None or parent not in data:
        indent = _indent(data)
        lines += _block({parent: {key: dict(value)}}, indent, 0)
    else:
        entries = data[parent]
        first = data.lc.key(parent)[0]
        at = _last(lines, first, _end(data, parent, len(lines))) + 1
        follower = min((entries.lc.key(one)[0] for one in before if one in entries), default=at)
        if lines[follower - 1].strip()[:1] not in ("", "#"):
            at = follower
        column = entries.lc.key(next(iter(entries)))[1] if entries else _indent(data)
        lines[at:at] = _block({key: dict(value)}, _indent(data), column)
    wanted = _plain(data)
    wanted.setdefault(parent, {})[key] = dict(value)
    changed = "".join(lines)
    if _says(changed, wanted):
        return changed
    indent = _indent(data)
    if not data.get(parent):
        data[parent] = CommentedMap()
    data[parent][key] = dict(value)
    return _anew(text, data, indent)


def drop(text: str, parent: str, key: str) -> str:
    """Return the text without an entry; comments around it stay.

    Args:
        text: a mapping of mappings.
        parent: the key that the entry stands under.
        key: its name.

    Raises:
        KeyError: it is not there.
        CommentsError: a comment would be lost.
    """
    data = load(text)
    entries = data[parent]
    wanted = _plain(data)
    del wanted[parent][key]
    lines = text.splitlines(keepends=True)
    first = entries.lc.key(key)[0]
    end = _end(entries, key, _end(data, parent, len(lines)))
    del lines[first : _last(lines, first, end) + 1]
    changed = "".join(lines)
    if _says(changed, wanted):
        return changed
    indent = _indent(data)
    del entries[key]
    return _anew(text, data, indent)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    return yaml


def _end(mapping: CommentedMap, key: str, end: int) -> int:
    """Return the line after a key's value: that of the next key, or the mapping's own end."""
    here = mapping.lc.key(key)[0]
    return min(
        (line for other in mapping if (line := mapping.lc.key(other)[0]) > here), default=end
    )


def _last(lines: list[str], first: int, end: int) -> int:
    """Return the last line that is neither blank nor a comment: those belong to what follows."""
    return max(
        (n for n in range(first + 1, end) if lines[n].strip()[:1] not in ("", "#")), default=first
    )


def _indent(data: CommentedMap | None) -> int:
    """Return by how many spaces the file indents."""
    for entries in (data or {}).values():
        if isinstance(entries, CommentedMap) and entries and not entries.fa.flow_style():
            return entries.lc.key(next(iter(entries)))[1] or 2
    return 2


def _block(value: dict[str, Any], indent: int, column: int) -> list[str]:
    yaml = _yaml()
    yaml.indent(mapping=indent)
    stream = io.StringIO()
    yaml.dump(value, stream)
    return [" " * column + line for line in stream.getvalue().splitlines(keepends=True)]


def _says(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return _plain(load(text)) == wanted
    except (YAMLError, AttributeError):
        return False


def _plain(data: CommentedMap | None) -> dict[str, Any]:
    """Return the two levels as plain dicts; a parent with nothing under it is an empty one."""
    return {parent: dict(entries or {}) for parent, entries in (data or {}).items()}


def _anew(text: str, data: CommentedMap, indent: int) -> str:
    yaml = _yaml()
    yaml.indent(mapping=indent)
    stream = io.StringIO()
    yaml.dump(data, stream)
    if stream.getvalue().count("#") < text.count("#"):
        raise CommentsError("it can't be changed without loss of a comment in braces { }")
    return stream.getvalue()
