"""Make a fleet's lock: ask hosts and registries, resolve, and keep what was locked already."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from torchrack.apt.offers import Offers, ask_offers, driver_versions
from torchrack.contract.fleet_images import FleetImages
from torchrack.contract.model import Answer, ImageWish
from torchrack.errors import Problem
from torchrack.inventory import FleetHost
from torchrack.lock.asked import asked_of, tagged
from torchrack.lock.build import build, like
from torchrack.lock.model import Group, Lock, LockedImage
from torchrack.lock.resolve import Locked, Part, Question, lock_host
from torchrack.preflight.facts import HostFacts
from torchrack.preflight.remote import ask
from torchrack.remote import Session, across
from torchrack.same_server import refusals


@dataclass
class Made:
    """What came of it.

    Args:
        lock: the new lock; hosts that could not be locked have their old entry, or none.
        locked: host to its entry, and what the resolver said.
        conflicts: host to the answer that speaks against an entry.
        problems: hosts and registries that could not be asked, and what apt lacks.
        loaded: host to the version of the driver that it has loaded, None: none.
    """

    lock: Lock
    locked: dict[str, Locked] = field(default_factory=dict)
    conflicts: dict[str, Answer] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    loaded: dict[str, str | None] = field(default_factory=dict)

    def note(self, host: str, result: Locked | Answer | Problem) -> None:
        """Keep what came of one host."""
        if isinstance(result, Problem):
            self.problems.append(result)
        elif isinstance(result, Answer):
            self.conflicts[host] = result
        else:
            self.locked[host] = result


@dataclass(frozen=True)
class _Asked:
    facts: HostFacts
    offers: Offers


def make(
    fleet: Sequence[FleetHost],
    chosen: Collection[str],
    old: Lock,
    *,
    free: frozenset[Part],
    today: dt.date,
    answered: Callable[[], None] = lambda: None,
) -> Made:
    """Return the fleet's new lock.

    Args:
        fleet: all hosts of the inventory.
        chosen: names of those that are to be asked; the others keep their entries.
        old: the lock that is there.
        free: parts that move to the newest version that fits.
        today: the day that decides which driver branches have ended.
        answered: called after each host.
    """
    made = Made(old)
    hosts = [host for host in fleet if host.name in chosen]
    asked: dict[str, _Asked] = {}
    for name, answer in across(hosts, _ask, answered).items():
        if isinstance(answer, Problem):
            made.problems.append(answer)
        else:
            asked[name] = answer
            made.loaded[name] = answer.facts.loaded_driver
    surveys = {name: one.facts.survey for name, one in asked.items()}
    for problem in refusals(surveys, {host.name: host.data for host in fleet}):
        made.problems.append(problem)
        del asked[problem.where]
    images = FleetImages(
        hosts,
        {name: answer.facts.survey.architecture for name, answer in asked.items()},
        lambda reference: _pinned(reference, old, free),
    )
    made.problems += images.problems
    for host in (host for host in hosts if host.name in asked):
        wishes = images.wishes(host)
        if not isinstance(wishes, Problem):
            answer = asked[host.name]
            kept = _kept(host, answer, old)
            result = lock_host(
                _question(host, answer, wishes),
                kept=kept,
                free=free,
                today=today,
                knowledge=host.settings.knowledge.tables(),
            )
            made.note(host.name, result)
    entries = {name: one.group for name, one in made.locked.items()}
    digests = _digests(fleet, images, old)
    made.lock = build(old, entries, digests, [host.name for host in fleet])
    return made


def _question(host: FleetHost, answer: _Asked, images: tuple[ImageWish, ...]) -> Question:
    return Question(
        name=host.name,
        settings=host.settings,
        facts=answer.facts,
        drivers=driver_versions(answer.offers),
        packages={
            name: tuple(offer.version for offer in offers)
            for name, offers in answer.offers.versions.items()
        },
        images=images,
    )


def _kept(host: FleetHost, answer: _Asked, old: Lock) -> Group | None:
    """What was locked for the host; for a new one, what hosts like it have."""
    system = answer.facts.survey.distribution
    return old.group(host.name) or like(old, asked_of(host.settings), system)


def _ask(session: Session) -> _Asked:
    facts = ask(session)
    return _Asked(facts, ask_offers(session, facts.survey, session.host.settings))


def _pinned(reference: str, old: Lock, free: frozenset[Part]) -> str:
    """The reference with the digest that is locked, unless it may move."""
    if "@" in reference or "images" in free or reference not in old.images:
        return reference
    return f"{reference}@{old.images[reference].digest}"


def _digests(fleet: Sequence[FleetHost], images: FleetImages, old: Lock) -> dict[str, LockedImage]:
    """What each tag that the fleet names stands for: asked now, or locked before."""
    found = {}
    for reference in {ref for host in fleet for ref in tagged(host.settings)}:
        facts = images.facts(reference)
        if facts is not None:
            found[reference] = LockedImage(digest=facts.digest, cuda=facts.cuda, torch=facts.torch)
        elif reference in old.images:
            found[reference] = old.images[reference]
    return found
