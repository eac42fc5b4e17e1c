"""What is proposed for a server in use, and what can't be: plain values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torchrack.settings.section import Section


@dataclass(frozen=True)
class Beside:
    """A file that the settings name and that is kept with the fleet: its name."""

    name: str


@dataclass(frozen=True)
class Made:
    """A part of a section that has a type of its own, as ``Registry(address=...)``."""

    kind: type[Section]
    values: Mapping[str, object]


@dataclass(frozen=True)
class Unexpressed:
    """Something of a server that no setting says.

    Args:
        what: what it is.
        found: how it is there.
        reason: why no setting says it, or what a deploy makes of it.
    """

    what: str
    found: str
    reason: str


@dataclass
class Proposal:
    """Settings that match a server.

    Args:
        sections: section to field to value.
        comments: section to field to a remark beside it.
        workloads: containers that a workload could be; a comment, as long as they run.
        files: name to text of the files that the settings name.
        unexpressed: what no setting says.
        notes: sentences about what is there and stays as it is.
    """

    sections: dict[str, dict[str, object]] = field(default_factory=dict)
    comments: dict[str, dict[str, str]] = field(default_factory=dict)
    workloads: list[Made] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    unexpressed: list[Unexpressed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def say(self, section: str, comment: str = "", **values: object) -> None:
        """Propose fields of a section.

        Args:
            section: its name.
            comment: a remark that stands beside the first of them.
            values: field to value.
        """
        self.sections.setdefault(section, {}).update(values)
        if comment:
            self.comments.setdefault(section, {})[next(iter(values))] = comment

    def cannot(self, what: str, found: str, reason: str) -> None:
        """Note what no setting says."""
        self.unexpressed.append(Unexpressed(what, found, reason))


def built(value: Any, place: Callable[[str], Path]) -> Any:
    """Return a value with its parts made by the settings' own model.

    Args:
        value: as it is proposed.
        place: where a file of a name lies.

    Raises:
        SettingsError: a part of it is wrong.
    """
    if isinstance(value, Beside):
        return str(place(value.name))
    if isinstance(value, Made):
        return value.kind(**{name: built(one, place) for name, one in value.values.items()})
    if isinstance(value, Mapping):
        return {name: built(one, place) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [built(one, place) for one in value]
    return value
