"""The plans of a fleet as a table for people, with what is to be known of them below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from torchrack.contract.model import AUTO, Answer, Conflict
from torchrack.contract.plan import HostPlan, Planned
from torchrack.images.facts import ImageFacts

_STYLES = {
    "ok": "bold green",
    "warn": "bold yellow",
    "conflict": "bold red",
    "unknown": "bold magenta",
}
_WHOLE = frozenset({"Host", "System", "Verdict", "Toolkit", "CUDA", "PyTorch"})
"""Columns whose words a narrow terminal must not break: versions are copied from them."""
_LEAST = {"GPUs": 7, "Driver": 10, "Docker": 6}
"""Columns that may wrap between words, by the length of their longest."""
_HEADINGS = ("Host", "GPUs", "System", "Verdict", "Driver", "Toolkit", "Docker", "CUDA", "PyTorch")


def render(plans: Sequence[HostPlan], width: int) -> RenderableType:
    """Return the plans for a console: a row a host, then warnings, conflicts and the sum.

    Args:
        plans: one a host.
        width: the console's, characters.
    """
    table = _table(plans, 2 if width >= 100 else 1)
    return Group(table, *_images(plans), *_findings(plans), Text(""), _sum(plans))


def _table(plans: Iterable[HostPlan], gap: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0))
    for heading in _HEADINGS:
        whole, least = heading in _WHOLE, _LEAST.get(heading)
        table.add_column(heading, overflow="fold", no_wrap=whole, min_width=least)
    for one in plans:
        verdict = Text(one.verdict, _STYLES[one.verdict])
        if isinstance(one.outcome, Planned):
            gpus, system = _gpus(one.outcome), Text(one.outcome.facts.system)
            table.add_row(Text(one.name), gpus, system, verdict, *map(Text, _cells(one.outcome)))
        else:
            table.add_row(Text(one.name), "", "", verdict)
    return table


def _gpus(planned: Planned) -> Text:
    unknown = len(planned.facts.gpus) - len(planned.products)
    counts = Counter(planned.products) + Counter({"of an unknown kind": unknown})
    if planned.facts.nvswitches:
        counts["NVSwitch"] = planned.facts.nvswitches
    return Text(", ".join(f"{count}x {name}" for name, count in counts.items()) or "none")


def _cells(planned: Planned) -> Iterator[str]:
    contract = planned.answer.contract
    if contract is None:
        return
    driver = contract.driver or f"R{contract.branch}"
    fabric = f" + {contract.fabric_manager}" if contract.fabric_manager else ""
    yield f"{driver} {contract.flavour}, {contract.source} ({contract.modules}){fabric}"
    yield contract.toolkit
    at_least = f">= {contract.docker_minimum}"
    yield at_least if planned.wishes.docker == AUTO else f"{planned.wishes.docker} ({at_least})"
    yield contract.cuda or "not known"
    yield contract.builds[0] if contract.builds else "none"


def _images(plans: Iterable[HostPlan]) -> Iterator[Text]:
    """Yield a line for each image that registries told of, with how many hosts want it."""
    users: dict[tuple[str, str], list[str]] = {}
    facts: dict[tuple[str, str], ImageFacts] = {}
    for one in plans:
        for name, image in one.outcome.images.items() if isinstance(one.outcome, Planned) else ():
            users.setdefault((name, image.digest), []).append(one.name)
            facts[name, image.digest] = image
    for key in sorted(users):
        image, count = facts[key], len(users[key])
        inside = [
            f"torch {image.torch}" if image.torch else "no word of torch",
            "no CUDA" if image.cuda == "none" else f"CUDA {image.cuda or 'not stated'}",
            *(image.requires.values()),
        ]
        hosts = f"{count} host{'' if count == 1 else 's'}"
        first = "\n" if key == min(users) else ""
        yield Text(f"{first}image {key[0]}: {', '.join(inside)}  {image.digest[:19]}  ({hosts})")


def _findings(plans: Iterable[HostPlan]) -> Iterator[Text]:
    """Yield warnings and conflicts, once for all hosts that have the same."""
    same: dict[Answer, list[str]] = {}
    for one in plans:
        if isinstance(one.outcome, Planned) and one.verdict != "ok":
            answer = replace(one.outcome.answer, contract=None, choices=())  # told by the table
            same.setdefault(answer, []).append(one.name)
    for answer, names in same.items():
        verdict = "conflict" if answer.conflicts else "warn"
        yield Text.assemble("\n", (verdict, _STYLES[verdict]), f": {', '.join(names)}")
        for finding in (*answer.conflicts, *answer.warnings):
            yield from _finding(finding)
        if answer.nearest:
            yield Text("  What would work, the nearest first:")
            yield from (Text(f"    {line}") for line in answer.nearest)


def _finding(finding: Conflict) -> Iterator[Text]:
    yield Text.assemble("  ", (finding.rule, "bold"), f": {finding.reason}")
    yield Text(f"    {finding.source}\n    {finding.url}", style="dim")


def _sum(plans: Sequence[HostPlan]) -> Text:
    counts = Counter[str](one.verdict for one in plans)
    parts = [f"{counts[verdict]} {verdict}" for verdict in _STYLES if counts[verdict]]
    hosts = "host" if len(plans) == 1 else "hosts"
    return Text(f"{len(plans)} {hosts}: {', '.join(parts)}. Nothing was changed on any host.")
