"""An answer as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from torchrack.contract.model import Answer, Conflict, Contract, Facts
from torchrack.gpus import lookup
from torchrack.knowledge import builtin

_STYLES = {"ok": "bold green", "warn": "bold yellow", "conflict": "bold red"}
_LISTED = 8


def render(answer: Answer, facts: Facts) -> RenderableType:
    """Return an answer for a console: verdict, conflicts, contract with reasons, alternatives."""
    return Group(*_parts(answer, facts))


def _parts(answer: Answer, facts: Facts) -> Iterator[RenderableType]:
    products = [gpu.product if (gpu := lookup(d)) else f"10de:{d}" for d in facts.gpus]
    yield Text.assemble(
        (answer.verdict, _STYLES[answer.verdict]), f": {', '.join(products)} on {facts.system}"
    )
    yield from _findings("Conflicts", answer.conflicts)
    yield from _findings("Warnings", answer.warnings)
    if answer.contract:
        yield Text("")
        yield _contract(answer, answer.contract)
        yield from _builds(answer.contract)
        if answer.contract.packages:
            yield Text(f"Packages of the driver: {', '.join(answer.contract.packages)}")
        yield Text("\nThe rules behind it:")
        for name in dict.fromkeys(choice.rule for choice in answer.choices):
            rule = builtin().rules[name]
            yield Text.assemble("  ", (name, "bold"), f": {rule.says}")
            yield Text(f"    {builtin().sources[rule.source]}", style="dim")
    if answer.nearest:
        yield Text("\nWhat would work, the nearest first:")
        for line in answer.nearest:
            yield Text(f"  {line}")


def _findings(title: str, found: Iterable[Conflict]) -> Iterator[RenderableType]:
    for number, conflict in enumerate(found):
        if number == 0:
            yield Text(f"\n{title}:")
        yield Text.assemble("  ", (conflict.rule, "bold"), f": {conflict.reason}")
        yield Text(f"    {conflict.source}\n    {conflict.url}", style="dim")


def _contract(answer: Answer, contract: Contract) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("What", "Choice", "Why", "Rule"):
        table.add_column(heading, overflow="fold")
    for choice in answer.choices:
        table.add_row(*map(Text, (choice.what, choice.value, choice.why, choice.rule)))
    return table


def _builds(contract: Contract) -> Iterator[Text]:
    if contract.builds and not contract.images:
        shown = ", ".join(contract.builds[:_LISTED])
        more = len(contract.builds) - _LISTED
        rest = f" and {more} older" if more > 0 else ""
        yield Text(f"\nPyTorch builds that fit: {shown}{rest}")
