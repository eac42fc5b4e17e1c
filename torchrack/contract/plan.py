"""The contracts of a fleet: the resolver's answer for each host that could be asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from torchrack.contract.fleet_images import FleetImages
from torchrack.contract.model import Answer, Facts, Wishes
from torchrack.contract.question import facts_of, wishes_of
from torchrack.contract.resolve import resolve
from torchrack.errors import Problem
from torchrack.images.facts import ImageFacts
from torchrack.inventory import FleetHost
from torchrack.knowledge import Knowledge
from torchrack.preflight.facts import HostFacts


@dataclass(frozen=True)
class Planned:
    """The answer to a host's question.

    Args:
        facts: what the host is.
        wishes: what its settings ask for.
        answer: the contract, or the conflicts.
        loaded_driver: version of the NVIDIA module that is loaded now; None: no module is.
        images: name in the catalog to what the image's registry says of it.
        products: the products that its GPUs are.
    """

    facts: Facts
    wishes: Wishes
    answer: Answer
    loaded_driver: str | None
    images: Mapping[str, ImageFacts] = field(default_factory=dict)
    products: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostPlan:
    """A host's name with its plan, or with the problem that kept it from being asked."""

    name: str
    outcome: Planned | Problem

    @property
    def verdict(self) -> Literal["ok", "warn", "conflict", "unknown"]:
        """The answer's verdict; unknown where the host could not be asked."""
        return "unknown" if isinstance(self.outcome, Problem) else self.outcome.answer.verdict


def plan(
    hosts: Sequence[FleetHost],
    found: Mapping[str, HostFacts | Problem],
    *,
    today: dt.date,
    with_images: bool = True,
) -> list[HostPlan]:
    """Resolve the contract of every host, in the order of the inventory.

    Args:
        hosts: the hosts with their settings.
        found: by name, what a host is, or why that is not known.
        today: the day that decides which branches have ended.
        with_images: whether registries are asked what is in the images.
    """
    machines = {
        name: known.survey.architecture
        for name, known in found.items()
        if isinstance(known, HostFacts)
    }
    images = FleetImages(hosts, machines if with_images else {})
    answers: dict[tuple[Facts, Wishes, Knowledge], Answer] = {}
    plans = []
    for host in hosts:
        known = found[host.name]
        if isinstance(known, Problem):
            plans.append(HostPlan(host.name, known))
            continue
        wanted = images.wishes(host) if with_images else ()
        if isinstance(wanted, Problem):
            plans.append(HostPlan(host.name, wanted))
            continue
        tables = host.settings.knowledge.tables()
        facts, wishes = facts_of(known), wishes_of(host.settings, wanted)
        key = (facts, wishes, tables)
        if key not in answers:  # hosts of a fleet are much alike
            answers[key] = resolve(facts, wishes, today=today, knowledge=tables)
        there = images.of(host) if with_images else {}
        shown = {name: one for name, one in there.items() if isinstance(one, ImageFacts)}
        planned = Planned(
            facts,
            wishes,
            answers[key],
            known.loaded_driver,
            shown,
            tuple(gpu.product for d in facts.gpus if (gpu := tables.gpu(d))),
        )
        plans.append(HostPlan(host.name, planned))
    return plans


def status(plans: Iterable[HostPlan]) -> int:
    """Return the exit status: 2 with a conflict, else 1 with an unknown host, else 0.

    A conflict is certain whatever the other hosts would say, so it wins.
    """
    verdicts = {one.verdict for one in plans}
    return 2 if "conflict" in verdicts else int("unknown" in verdicts)
