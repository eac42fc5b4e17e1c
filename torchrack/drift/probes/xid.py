"""Xid messages of the driver, with what NVIDIA's catalogue says to do."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from torchrack import safe_yaml
from torchrack.drift.model import Finding
from torchrack.drift.probes.subject import Subject

_MESSAGE = re.compile(
    r"(?P<when>\S+) .*NVRM: Xid \(PCI:(?P<gpu>[0-9a-fA-F:.]+)\): (?P<code>\d+),? ?(?P<rest>.*)"
)
"""``2026-11-24T03:00:00,123456+00:00 NVRM: Xid (PCI:0000:1a:00): 79, pid=..., GPU has...``"""


def judge(lines: list[str], subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each kind of Xid of each GPU since the boot that asks for an act.

    Args:
        lines: of the kernel's log, with ISO times.
        subject: the host.
    """
    last: dict[tuple[str, int], tuple[int, re.Match[str]]] = {}
    for match in filter(None, map(_MESSAGE.search, lines)):
        key = (match["gpu"].lower(), int(match["code"]))
        count = last[key][0] if key in last else 0
        last[key] = (count + 1, match)
    for (gpu, code), (count, match) in sorted(last.items()):
        row = action(code)
        if row["severity"] == "none":
            continue
        times = f"{count} times, last " if count > 1 else ""
        yield subject.finding(
            f"gpu:{gpu}.xid-{code}",
            f"Xid {code} of the GPU {gpu}",
            expected="no such message since the boot",
            actual=f"{times}{match['when']}: {match['rest']}"[:200],
            fix=str(row["action"]),
            kind="hardware",
            severity=row["severity"],
            when=_time(match["when"]),
        )


def action(code: int) -> dict[str, Any]:
    """Return what to do about an Xid, and how grave it is; one that is not listed is grave."""
    for row in _table():
        if code in row["codes"]:
            return row
    return {
        "action": f"look Xid {code} up in NVIDIA's catalogue, docs.nvidia.com/deploy/xid-errors",
        "severity": "outage",
    }


def _time(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text.replace(",", "."))
    except ValueError:
        return None


@cache
def _table() -> list[dict[str, Any]]:
    text = resources.files("torchrack.drift").joinpath("xid.yml").read_text(encoding="utf-8")
    table: list[dict[str, Any]] = safe_yaml.load(text)
    return table
