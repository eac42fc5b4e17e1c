"""A check's result as data for machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from torchrack.drift.history import Seen
from torchrack.drift.model import Finding, HostResult
from torchrack.drift.verdict import verdict
from torchrack.drift.waivers import Waived, Waiver

SCHEMA = 1


def as_data(checked: Waived, seen: Mapping[tuple[str, str], Seen]) -> dict[str, Any]:
    """Return plain data: the verdict, a row a host, and all findings.

    Args:
        checked: the result of a check, with its waivers.
        seen: host and id of a finding to what the history knows of it.
    """
    result = checked.result
    return {
        "schema": SCHEMA,
        "verdict": verdict(checked),
        "fleet": result.fleet,
        "started": result.started.isoformat(timespec="seconds"),
        "finished": result.finished.isoformat(timespec="seconds"),
        "stages": list(result.stages),
        "hosts": [_host(host) for host in result.hosts],
        "findings": [
            _finding(one, checked.waiver(one), seen.get((one.host, one.id)))
            for one in result.findings
        ],
    }


def _host(host: HostResult) -> dict[str, Any]:
    deployed = host.deployed
    return {
        "name": host.name,
        "findings": len(host.findings),
        "checked": list(host.checked),
        "deployed": asdict(deployed) | {"when": deployed.when.isoformat()} if deployed else None,
        "seconds": round(host.seconds, 3) if host.seconds is not None else None,
        "round_trips": host.round_trips,
    }


def _finding(finding: Finding, waiver: Waiver | None, seen: Seen | None) -> dict[str, Any]:
    data = asdict(finding)
    data["class"] = data.pop("kind")
    when: datetime | None = data["when"]
    return data | {
        "when": when.isoformat() if when else None,
        "first_seen": seen.first.isoformat(timespec="seconds") if seen else None,
        "last_seen": seen.last.isoformat(timespec="seconds") if seen else None,
        "flapping": seen.flapping if seen else None,
        "waiver": waiver.model_dump(mode="json") if waiver else None,
    }
