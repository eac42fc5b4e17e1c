"""A proposal as people would write it: Python for group_data, YAML for the hosts file."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torchrack.adopt.model import Beside, Made, Proposal
from torchrack.hosts_file import Entry
from torchrack.settings.model import SECTIONS

WIDTH = 100
Place = Callable[[str], Path | str]

_HEAD = '''\
"""What {name} was found to be, on {day}. Written by torchrack adopt; from now on it is yours.

docs/settings.md lists every field.
"""
'''


def settings(proposal: Proposal, *, name: str, day: str, place: Place) -> str:
    """Return the text of a settings file.

    Args:
        proposal: what is proposed.
        name: the host's name.
        day: the day of the proposal.
        place: where a file of a name will lie.
    """
    kinds = {SECTIONS[section].__name__ for section in proposal.sections}
    for values in proposal.sections.values():
        kinds |= {made.kind.__name__ for made in _made(values)}
    parts = [_HEAD.format(name=name, day=day)]
    if kinds:
        parts.append(_imports(sorted(kinds)))
    for section in SECTIONS:
        if section in proposal.sections:
            parts.append(_section(section, proposal, place))
    if proposal.workloads:
        parts.append(_workloads(proposal, place))
    return "\n".join(parts)


def hosts(group: str, name: str, entry: Entry) -> str:
    """Return the lines of a host in the hosts file."""
    values = entry.model_dump(exclude_defaults=True)
    lines = [f"{group}:", f"  {name}:"]
    return "\n".join([*lines, *(f"    {key}: {_yaml(value)}" for key, value in values.items())])


def _imports(kinds: list[str]) -> str:
    line = f"from torchrack.settings import {', '.join(kinds)}\n"
    if len(line) <= WIDTH:
        return line
    return "from torchrack.settings import (\n" + "".join(f"    {k},\n" for k in kinds) + ")\n"


def _section(section: str, proposal: Proposal, place: Place) -> str:
    remarks = proposal.comments.get(section, {})
    lines = [f"{section} = {SECTIONS[section].__name__}("]
    for field, value in proposal.sections[section].items():
        text = f"{field}={literal(value, place, 4, len(field) + 2)},"
        first, *rest = text.split("\n")
        remark = f"# {remarks[field]}" if field in remarks else ""
        fits = len(first) + len(remark) + 6 <= WIDTH
        lines += [f"    {remark}"] if remark and not fits else []
        lines += [f"    {first}  {remark}".rstrip() if fits else f"    {first}", *rest]
    return "\n".join([*lines, ")\n"])


def _workloads(proposal: Proposal, place: Place) -> str:
    kinds = {made.kind.__name__ for made in _made(proposal.workloads)} | {"Workloads"}
    body = "workloads = Workloads(\n    containers=" + literal(proposal.workloads, place, 4, 11)
    text = f"{_imports(sorted(kinds))}\n{body},\n)\n"
    head = (
        "# The containers that run there, as workloads. A deploy makes new containers under these\n"
        "# names and ports: stop and rename the old ones first, then take the # away. Volumes and\n"
        "# directories are taken up as they are.\n"
    )
    return head + textwrap.indent(text, "# ", lambda line: bool(line.strip())).replace(
        "\n\n", "\n#\n"
    )


def literal(value: Any, place: Place, indent: int = 0, taken: int = 0) -> str:
    """Return a value as Python, on one line where it fits.

    Args:
        value: the value.
        place: where a file of a name will lie.
        indent: spaces before the line that it stands in.
        taken: letters before it in that line.
    """
    opening, items, closing = _items(value, place, indent)
    one = opening + ", ".join(items) + closing
    if ("\n" not in one and indent + taken + len(one) <= WIDTH - 2) or not items:
        return one
    inner = " " * (indent + 4)
    body = "".join(f"{inner}{item},\n" for item in items)
    return f"{opening}\n{body}{' ' * indent}{closing}"


def _items(value: Any, place: Place, indent: int) -> tuple[str, list[str], str]:
    """Return what opens a value, its items, and what closes it; a plain value has no items."""
    deeper = indent + 4
    if isinstance(value, Made):
        items = [
            f"{name}={literal(one, place, deeper, len(name) + 2)}"
            for name, one in value.values.items()
        ]
        return f"{value.kind.__name__}(", items, ")"
    if isinstance(value, Mapping):
        items = [
            f"{json.dumps(name)}: {literal(one, place, deeper, len(name) + 5)}"
            for name, one in value.items()
        ]
        return "{", items, "}"
    if isinstance(value, (list, tuple)):
        return "[", [literal(one, place, deeper) for one in value], "]"
    if isinstance(value, Beside):
        return json.dumps(str(place(value.name))), [], ""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False), [], ""
    return repr(value), [], ""


def _made(value: Any) -> Iterator[Made]:
    """Yield all parts that have a type of their own."""
    if isinstance(value, Made):
        yield value
        value = value.values
    inner = value.values() if isinstance(value, Mapping) else value
    if isinstance(inner, str) or not hasattr(inner, "__iter__"):
        return
    for one in inner:
        yield from _made(one)


def _yaml(value: object) -> str:
    text = str(value)
    return (
        json.dumps(text)
        if isinstance(value, str) and (":" in text or text[:1] in "~*&")
        else (text.lower() if isinstance(value, bool) else text)
    )
