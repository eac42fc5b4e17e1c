"""A check's result as data for machines."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from torchrack.drift.model import Finding, HostResult
from torchrack.drift.verdict import verdict
from torchrack.drift.waivers import Waived, Waiver

SCHEMA = 1


def as_data(checked: Waived) -> dict[str, Any]:
    """Return plain data: the verdict, a row a host, and all findings."""
    result = checked.result
    return {
        "schema": SCHEMA,
        "verdict": verdict(checked),
        "fleet": result.fleet,
        "started": result.started.isoformat(timespec="seconds"),
        "finished": result.finished.isoformat(timespec="seconds"),
        "stages": list(result.stages),
        "hosts": [_host(host) for host in result.hosts],
        "findings": [_finding(one, checked.waiver(one)) for one in result.findings],
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


def _finding(finding: Finding, waiver: Waiver | None) -> dict[str, Any]:
    data = asdict(finding)
    data["class"] = data.pop("kind")
    when: datetime | None = data["when"]
    return data | {
        "when": when.isoformat() if when else None,
        "waiver": waiver.model_dump(mode="json") if waiver else None,
    }
