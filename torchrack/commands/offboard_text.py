"""What ``torchrack offboard`` shows: the plan before, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text

from torchrack.offboard.model import Outcome, Plan
from torchrack.report import printable


def show_plans(console: Console, plans: Sequence[Plan]) -> None:
    """Print what would be done, step by step, and what stays."""
    for plan in plans:
        if plan.problems:
            continue
        _head(console, plan.host)
        if not plan.steps:
            console.print("  nothing of ours is there; it would leave the fleet's files")
        for step in plan.steps:
            for sentence in step.does:
                _line(console, "red bold" if sentence.startswith("DELETE") else "", sentence)
        _stays(console, plan.stays)


def show_outcomes(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Print for each server that has left what stays on it, and what is still to do."""
    for outcome in outcomes:
        if outcome.problem is not None:
            continue
        _head(console, f"{outcome.host} has left the fleet")
        for sentence in outcome.fleet:
            _line(console, "", sentence)
        _stays(console, outcome.stays)
        for sentence in outcome.by_hand:
            _line(console, "yellow", f"still to do: {sentence}")


def as_data(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON has it; the scripts, which hold files of the host, are left out."""
    return {
        "host": plan.host,
        "steps": [{"name": step.name, "does": list(step.does)} for step in plan.steps],
        "stays": list(plan.stays),
        "problems": [asdict(problem) for problem in plan.problems],
    }


def _stays(console: Console, sentences: Iterable[str]) -> None:
    for sentence in sentences:
        _line(console, "dim", f"stays: {sentence}")


def _head(console: Console, text: str) -> None:
    console.print(Text(text, style="bold"))


def _line(console: Console, style: str, text: str) -> None:
    line = printable(f"  {text}")
    line.stylize(style)
    console.print(line, soft_wrap=True)
