"""Xid messages of the driver, with what NVIDIA's catalogue says to do."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from torchrack import safe_yaml
from torchrack.drift.model import Finding
from torchrack.drift.probes.subject import Subject

_MESSAGE = re.compile(
    r"(?P<from>ring|journal) (?P<when>\S+) .*"
    r"NVRM: Xid \(PCI:(?P<gpu>[0-9a-fA-F:.]+)\): (?P<code>\d+),? ?(?P<text>.*)"
)
"""``ring 2026-11-24T03:00:00,123456+00:00 NVRM: Xid (PCI:0000:1a:00): 79, pid=..., GPU has...``"""


@dataclass(frozen=True)
class _Xid:
    """One message: where it was read, when it was written, and what it says."""

    source: str
    when: dt.datetime
    text: str


def judge(lines: list[str], subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each kind of Xid of each GPU that asks for an act.

    Those since the boot are told until the next one; those of an earlier boot once, by the first
    check after them.

    Args:
        lines: "boot SECONDS" since the epoch; "ring" and a line of the kernel's log, with an ISO
            time; "journal" and one of the journal's, with seconds since the epoch.
        subject: the host.

    Raises:
        ValueError: the time of the boot, or of a message, is none.
    """
    words = [line.split() for line in lines]
    boot = _time(next((one[1] for one in words if one[0] == "boot"), ""))
    read: dict[tuple[str, int], list[_Xid]] = defaultdict(list)
    for match in filter(None, map(_MESSAGE.fullmatch, lines)):
        message = _Xid(match["from"], _time(match["when"]), match["text"])
        read[match["gpu"].lower(), int(match["code"])].append(message)
    for (gpu, code), messages in sorted(read.items()):
        row, told = action(code), _told(messages, boot, subject.checked)
        if row["severity"] == "none" or not told:
            continue
        yield subject.finding(
            f"gpu:{gpu}.xid-{code}",
            f"Xid {code} of the GPU {gpu}",
            expected="no such message since the boot, nor since the last check",
            actual=f"{_times(told, subject.checked)}{told[-1].when.isoformat(' ', 'seconds')}: "
            f"{told[-1].text}"[:200],
            fix=str(row["action"]),
            kind="hardware",
            severity=row["severity"],
            when=told[-1].when,
        )


def _told(messages: Sequence[_Xid], boot: dt.datetime, checked: dt.datetime | None) -> list[_Xid]:
    """Those since the boot, and before it those that no check has seen; the oldest first."""
    ring = [one for one in messages if one.source == "ring"]
    journal = [one for one in messages if one.source == "journal"]
    before = [one for one in journal if one.when < boot and checked and one.when > checked]
    # The kernel's log is short, and the journal may have lost some: they hold the same messages,
    # whose times differ a little.
    since = [one for one in journal if one.when >= boot]
    return sorted([*before, *max(ring, since, key=len)], key=lambda one: one.when)


def _times(told: Sequence[_Xid], checked: dt.datetime | None) -> str:
    new = sum(one.when > checked for one in told) if checked else 0
    counted = f"{len(told)} times" if len(told) > 1 else "once"
    since = f" ({new} since the last check)" if checked else ""
    return f"{counted}{since}, last "


def action(code: int) -> dict[str, Any]:
    """Return what to do about an Xid, and how grave it is; one that is not listed is grave."""
    for row in _table():
        if code in row["codes"]:
            return row
    return {
        "action": f"look Xid {code} up in NVIDIA's catalogue, docs.nvidia.com/deploy/xid-errors",
        "severity": "outage",
    }


def _time(text: str) -> dt.datetime:
    """Read seconds since the epoch, or an ISO time with the comma that dmesg writes."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return dt.datetime.fromtimestamp(float(text), dt.timezone.utc)
    return dt.datetime.fromisoformat(text.replace(",", "."))


@cache
def _table() -> list[dict[str, Any]]:
    text = resources.files("torchrack.drift").joinpath("xid.yml").read_text(encoding="utf-8")
    table: list[dict[str, Any]] = safe_yaml.load(text)
    return table
