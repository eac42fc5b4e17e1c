"""One host's entry of the lock: the contract, with exact versions; what was locked stays."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from torchrack.contract.model import AUTO, Answer, Facts, ImageWish, Wishes
from torchrack.contract.question import facts_of, wishes_of
from torchrack.contract.resolve import resolve
from torchrack.errors import HostError, Problem
from torchrack.knowledge import Knowledge
from torchrack.lock.apply import found_of
from torchrack.lock.asked import asked_of
from torchrack.lock.model import Group, LockedDriver
from torchrack.lock.packages import Offered, choose
from torchrack.preflight.facts import HostFacts
from torchrack.settings.driver import Driver
from torchrack.settings.model import Settings

Part = Literal["driver", "docker", "toolkit", "images"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True)
class Question:
    """A host that is to be locked.

    Args:
        name: its name.
        settings: its settings, as the inventory says them.
        facts: what it is.
        drivers: driver versions that its apt offers.
        packages: package to the versions that its apt offers, the newest first.
        images: what its images need.
    """

    name: str
    settings: Settings
    facts: HostFacts
    drivers: tuple[str, ...]
    packages: Offered
    images: tuple[ImageWish, ...] = ()


@dataclass(frozen=True)
class Locked:
    """A host's entry, with what the resolver said on the way to it."""

    group: Group
    answer: Answer


def lock_host(
    question: Question,
    *,
    kept: Group | None,
    free: frozenset[Part] = frozenset(),
    today: dt.date,
    knowledge: Knowledge | None = None,
) -> Locked | Answer | Problem:
    """Return a host's entry, the conflicts that speak against one, or what its apt lacks.

    Args:
        question: the host.
        kept: an earlier entry of it, or of a host like it, whose versions stay while they fit.
        free: parts that move to the newest version that fits.
        today: the day that decides which branches have ended.
        knowledge: the tables; None: those that ship.
    """
    settings = question.settings
    facts = replace(facts_of(question.facts), offered=question.drivers)
    wishes = wishes_of(settings, question.images)
    answer = _resolve(facts, _keeping(wishes, settings, kept, free), wishes, today, knowledge)
    contract = answer.contract
    if contract is None:
        return answer
    if contract.driver is None:
        raise AssertionError("a contract without a driver's version, though apt was asked")
    locked = LockedDriver(
        version=contract.driver,
        flavour=contract.flavour,
        source=contract.source,
        modules=contract.modules,
    )
    exact = replace(
        settings,
        driver=settings.driver.changed(version=locked.version, flavour=locked.flavour),
        toolkit=settings.toolkit.changed(version=contract.toolkit),
    )
    try:
        packages = choose(
            question.name,
            exact,
            question.facts.survey,
            question.packages,
            kept=kept.packages if kept else {},
            free=frozenset(free),
        )
    except HostError as error:
        return error.problem
    group = Group(
        hosts=(question.name,),
        found=found_of(question.facts),
        asked=asked_of(settings),
        driver=locked,
        packages=dict(sorted(packages.items())),
        dcgm=_dcgm(contract.dcgm, question.packages, kept, free),
    )
    return Locked(group, answer)


def _dcgm(
    package: str, offered: Offered, kept: Group | None, free: frozenset[Part]
) -> dict[str, str]:
    """Return DCGM's package and version; it moves with the driver, which it has to fit."""
    versions = offered.get(package, ())
    old = kept.dcgm.get(package) if kept and "driver" not in free else None
    if old in versions:
        return {package: old}
    return {package: versions[0]} if versions else {}


def _resolve(
    facts: Facts, wishes: Iterator[Wishes], last: Wishes, today: dt.date, known: Knowledge | None
) -> Answer:
    """Return the first answer with a contract; the last wishes' answer where there is none."""
    for kept in wishes:
        answer = resolve(facts, kept, today=today, knowledge=known)
        if answer.contract:
            return answer
    return resolve(facts, last, today=today, knowledge=known)


def _keeping(
    wishes: Wishes, settings: Settings, kept: Group | None, free: frozenset[Part]
) -> Iterator[Wishes]:
    """Yield wishes for what is locked already: driver and toolkit, then either one alone."""
    driver: dict[str, Any] = {}
    toolkit: dict[str, Any] = {}
    if kept and "driver" not in free and _allows(settings.driver, kept.driver):
        driver = kept.driver.model_dump()
        driver["driver"] = driver.pop("version")
    old = kept.packages.get("nvidia-container-toolkit") if kept else None
    if old and "toolkit" not in free and settings.toolkit.version in (AUTO, old):
        toolkit = {"toolkit": old}
    for fixed in ({**driver, **toolkit}, driver, toolkit):
        if fixed:
            yield replace(wishes, **fixed)


def _allows(settings: Driver, locked: LockedDriver) -> bool:
    """Whether the settings leave room for a driver that was locked."""
    branch = locked.version.partition(".")[0]
    return settings.version in (AUTO, branch, locked.version) and settings.flavour in (
        AUTO,
        locked.flavour,
    )
