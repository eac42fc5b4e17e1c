"""The plans of a fleet as data for machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from torchrack.commands import explain_json
from torchrack.contract.plan import HostPlan, status
from torchrack.errors import Problem


def as_data(plans: Sequence[HostPlan]) -> dict[str, Any]:
    """Return plain data: the exit status, and each host's answer or problem."""
    return {"schema": 1, "status": status(plans), "hosts": [_host(one) for one in plans]}


def _host(one: HostPlan) -> dict[str, Any]:
    data: dict[str, Any] = {"name": one.name, "verdict": one.verdict}
    if isinstance(one.outcome, Problem):
        return data | {"problem": asdict(one.outcome), "answer": None}
    outcome = one.outcome
    return data | {
        "problem": None,
        "loaded_driver": outcome.loaded_driver,
        "wishes": asdict(outcome.wishes),
        "images": {name: asdict(facts) for name, facts in outcome.images.items()},
        "answer": explain_json.as_data(outcome.answer, outcome.facts),  # as explain --json has it
    }
