"""What a host said of when things changed: times of files and units, apt's history, its log."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torchrack.sections import sections

_NAMES = re.compile(r"([a-z0-9][a-z0-9.+-]*):\w+ \(")
_KINDS = ("Install", "Reinstall", "Upgrade", "Downgrade", "Remove", "Purge")


@dataclass(frozen=True)
class Change:
    """The last time that apt changed a package: who had it do so, and when."""

    who: str
    when: dt.datetime


@dataclass(frozen=True)
class Evidence:
    """What the script printed.

    Args:
        times: file or unit to when it last changed.
        packages: package to apt's last change of it.
        log: lines of the journal.
    """

    times: Mapping[str, dt.datetime] = field(default_factory=dict)
    packages: Mapping[str, Change] = field(default_factory=dict)
    log: Sequence[str] = ()


def read(lines: Iterable[str]) -> Evidence:
    """Read the script's output; what makes no sense is passed over, it is no evidence."""
    parts = sections(lines)
    times = {}
    for line in [*parts.get("files", ()), *parts.get("units", ())]:
        at, _, name = line.partition(" ")
        if at.isdigit() and int(at):  # 0: it never changed since the boot
            times[name] = dt.datetime.fromtimestamp(int(at), dt.timezone.utc)
    zone = "".join(parts.get("zone", ())) or "+0000"
    return Evidence(times, _packages(parts.get("apt", ()), zone), parts.get("log", ()))


def _packages(lines: Iterable[str], zone: str) -> dict[str, Change]:
    """Read apt's history: stanzas of Start-Date, Commandline, Requested-By and what was done."""
    found: dict[str, Change] = {}
    when, who, program = None, "root", "apt"
    for line in lines:
        key, _, value = line.partition(": ")
        if key == "Start-Date":
            when, who, program = _time(value, zone), "root", "apt"
        elif key == "Commandline":
            program = value.split(" ", 1)[0].rpartition("/")[2]
        elif key == "Requested-By":
            who = value.partition(" ")[0]
        elif key in _KINDS and when:
            change = Change(f"{who} ({program})", when)
            found.update(dict.fromkeys(_NAMES.findall(value), change))
    return found


def _time(text: str, zone: str) -> dt.datetime | None:
    try:
        local = dt.datetime.strptime(f"{' '.join(text.split())} {zone}", "%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return None
    return local.astimezone(dt.timezone.utc)
