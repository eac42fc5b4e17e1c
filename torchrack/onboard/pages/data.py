"""What came of servers as data for programs; docs/onboard.schema.json describes it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from torchrack.onboard.model import Onboarded, Step
from torchrack.onboard.pages.details import details_of

SCHEMA = 1


def as_data(
    results: Sequence[Onboarded], *, inventory: str, finished: dt.datetime
) -> dict[str, Any]:
    """Return plain data for json.dumps.

    Args:
        results: what came of each server.
        inventory: the fleet's inventory file, as it was named.
        finished: when the run ended, with a time zone.
    """
    return {
        "schema": SCHEMA,
        "inventory": inventory,
        "finished": finished.isoformat(timespec="seconds"),
        "servers": [_server(result) for result in results],
    }


def _server(result: Onboarded) -> dict[str, Any]:
    newcomer, details = result.newcomer, details_of(result)
    return {
        "name": newcomer.name,
        "address": newcomer.address,
        "port": newcomer.port,
        "user": newcomer.user,
        "admin": newcomer.admin,
        "group": newcomer.group,
        "verdict": result.verdict,
        "seconds": round(sum(step.seconds for step in result.steps), 3),
        "steps": [_step(step) for step in result.steps],
        "hardware": plain(details.hardware),
        "gpus": plain(details.gpus),
        "state": plain(details.state),
        "facts": plain(details.facts),
        "next": result.next,
    }


def _step(step: Step) -> dict[str, Any]:
    return asdict(step) | {
        "seconds": round(step.seconds, 3),
        "problems": [asdict(problem) for problem in step.problems],
    }


def plain(value: object) -> Any:
    """Return a value as JSON has it: what JSON does not know becomes its text."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, (Sequence, set, frozenset)):
        return [plain(one) for one in value]
    return str(value)
