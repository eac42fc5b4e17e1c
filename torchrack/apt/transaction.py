"""apt's plan for an installation, read before anything is installed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from torchrack.sections import sections

Action = Literal["install", "upgrade", "downgrade", "remove"]


@dataclass(frozen=True)
class Step:
    """What apt would do to one package; ``old`` and ``new`` are versions, empty for none."""

    action: Action
    package: str
    old: str
    new: str

    def __str__(self) -> str:
        if self.action == "install":
            return f"{self.package} {self.new}"
        if self.action == "remove":
            return f"{self.package} {self.old}"
        return f"{self.package} {self.old} -> {self.new}"


@dataclass(frozen=True)
class Plan:
    """What apt would do, and what has to be known to judge it.

    Args:
        steps: in apt's order.
        errors: apt's own objections; with any it would do nothing.
        transitional: package to the description of those that only bring another one.
        origins: package and version to the sources that have them ("URI suite/component").
        headers: kernels whose headers the host has.
    """

    steps: tuple[Step, ...]
    errors: tuple[str, ...] = ()
    transitional: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    headers: frozenset[str] = frozenset()

    def summary(self) -> str:
        """Return the plan in a line: how many of each, and all of them by name."""
        parts = []
        for action in ("install", "upgrade", "downgrade", "remove"):
            steps = [str(step) for step in self.steps if step.action == action]
            if steps:
                parts.append(f"{action} {len(steps)} ({', '.join(steps)})")
        return "; ".join(parts) or "nothing to do"


def parse(lines: Iterable[str]) -> Plan:
    """Read the answer of :class:`torchrack.facts.apt_plan.AptPlan`.

    Args:
        lines: apt's words, then the sections "==show", "==madison" and "==headers".

    Raises:
        ValueError: a section is missing.
    """
    parts = {"": list[str]()} | sections(lines, blank=True)
    if list(parts) != ["", "show", "madison", "headers"]:
        raise ValueError(f"the sections {list(parts)} in place of apt's plan")
    words = parts[""]
    return Plan(
        steps=tuple(_steps(words)),
        errors=tuple(_errors(words)),
        transitional=_transitional(parts["show"]),
        origins=_origins(parts["madison"]),
        headers=frozenset(parts["headers"]),
    )


def _steps(lines: list[str]) -> Iterable[Step]:
    """Read ``Inst name [old] (new source [arch])`` and ``Remv name [old]``."""
    down = _listed(lines, "The following packages will be DOWNGRADED:")
    pattern = re.compile(r"(Inst|Remv|Purg) ([^\s:]+)\S*(?: \[([^]]*)\])?(?: \((\S+))?")
    for match in filter(None, map(pattern.match, lines)):
        kind, package, old, new = (part or "" for part in match.groups())
        if kind != "Inst":
            yield Step("remove", package, old, "")
        elif not old:
            yield Step("install", package, "", new)
        else:
            yield Step("downgrade" if package in down else "upgrade", package, old, new)


def _listed(lines: list[str], heading: str) -> set[str]:
    """The names below a heading, which apt indents by two spaces."""
    if heading not in lines:
        return set()
    names: list[str] = []
    for line in lines[lines.index(heading) + 1 :]:
        if not line.startswith("  "):
            break
        names += line.split()
    return {name.partition(":")[0] for name in names}


def _errors(lines: list[str]) -> list[str]:
    """apt's errors, with what it says of unmet dependencies before them."""
    errors = [line for line in lines if line.startswith("E:")]
    unmet = [
        line.strip() for line in lines if re.match(r" \S+ : | {2,}(Depends|Conflicts|Breaks)", line)
    ]
    return [*unmet, *errors] if errors else []


def _transitional(lines: list[str]) -> dict[str, str]:
    """Packages of the section oldlibs, or that call themselves transitional or dummies."""
    found: dict[str, str] = {}
    package = section = ""
    for line in lines:
        key, _, value = line.partition(": ")
        if key == "Package":
            package, section = value, ""
        elif key == "Section":
            section = value
        elif key.startswith("Description") and package not in found:
            says_so = re.search(r"\b(transitional|dummy)\b", value, re.IGNORECASE)
            if says_so or section.rpartition("/")[2] == "oldlibs":
                found[package] = value
    return found


def _origins(lines: list[str]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Read ``apt-cache madison``: ``name | version | URI suite/component arch Packages``."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for line in lines:
        parts = [part.strip() for part in line.split(" | ")]
        if len(parts) == 3 and parts[2].endswith("Packages"):
            key = (parts[0], parts[1])
            origin = parts[2].removesuffix("Packages").strip()
            if origin not in found.get(key, ()):
                found[key] = (*found.get(key, ()), origin)
    return found
