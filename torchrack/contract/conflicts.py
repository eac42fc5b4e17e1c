"""Conflicts of a contract, told as the problems of a host."""

from __future__ import annotations

from torchrack.contract.model import Answer
from torchrack.errors import Problem


def conflict_problems(host: str, answer: Answer) -> list[Problem]:
    """Return what speaks against a host's contract; empty where there is one.

    Args:
        host: the host's name.
        answer: the resolver's answer.
    """
    return [
        Problem(
            host,
            f"Contract: {conflict.rule}",
            conflict.reason,
            f"what {conflict.source} allows",
            "; ".join(answer.nearest[:2]) or "ask for something else in the settings",
        )
        for conflict in answer.conflicts
    ]
