"""An answer as data for machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from torchrack.contract.model import Answer, Facts
from torchrack.knowledge import builtin


def as_data(answer: Answer, facts: Facts) -> dict[str, Any]:
    """Return an answer as plain data: verdict, host, contract, rules, nearest combinations."""
    return {
        "schema": 1,
        "verdict": answer.verdict,
        "host": asdict(facts),
        "contract": asdict(answer.contract) if answer.contract else None,
        "conflicts": [asdict(conflict) for conflict in answer.conflicts],
        "warnings": [asdict(warning) for warning in answer.warnings],
        "choices": [asdict(choice) for choice in answer.choices],
        "rules": _rules(answer),
        "nearest": list(answer.nearest),
    }


def _rules(answer: Answer) -> dict[str, dict[str, str]]:
    """Return what the rules behind the choices say, and their sources."""
    known = builtin()
    found = {}
    for name in dict.fromkeys(choice.rule for choice in answer.choices):
        rule = known.rules[name]
        source = known.sources[rule.source]
        found[name] = {"says": rule.says, "source": str(source), "url": source.url}
    return found
