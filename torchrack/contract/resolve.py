"""The resolver: from facts, wishes and tables to a contract, or to the reasons against one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace

from torchrack.contract import drivers, explain, host, images, nearest, wellformed
from torchrack.contract.case import Case
from torchrack.contract.model import (
    Answer,
    Conflict,
    Contract,
    Facts,
    Image,
    ImageWish,
    Option,
    Wishes,
)
from torchrack.knowledge import Knowledge, builtin
from torchrack.knowledge.versions import VERSION, numbers


@dataclass(frozen=True)
class _Outcome:
    """The best option with its images, or what speaks against the best that there is."""

    option: Option
    images: tuple[Image, ...]
    conflicts: tuple[Conflict, ...]
    warnings: tuple[Conflict, ...]


def resolve(
    facts: Facts, wishes: Wishes, *, today: dt.date, knowledge: Knowledge | None = None
) -> Answer:
    """Resolve the contract of a host.

    Args:
        facts: what the host is.
        wishes: what its settings ask for; "auto" leaves it open.
        today: the day that decides which branches have ended.
        knowledge: the tables; None: those that ship.

    Returns:
        A contract with the choices explained, or all conflicts with the nearest combinations that
        would work. Bad input is a conflict, never an exception.
    """
    known = knowledge or builtin()
    offered = facts.offered
    if offered is not None:
        offered = tuple(sorted({v for v in offered if VERSION.fullmatch(v)}, key=numbers))
    case, conflicts = wellformed.sift(Case(replace(facts, offered=offered), wishes, known, today))
    outcome = _decide(case, conflicts)
    if conflicts or outcome is None or outcome.conflicts:
        every = [*conflicts, *(outcome.conflicts if outcome else ())]
        return Answer(None, tuple(dict.fromkeys(every)), nearest=nearest.find(case))
    contract = _contract(case, outcome)
    return Answer(
        contract,
        warnings=tuple(dict.fromkeys([*outcome.warnings, *_branch_life(case, outcome.option)])),
        choices=explain.choices(case, contract),
    )


def _decide(case: Case, conflicts: list[Conflict]) -> _Outcome | None:
    """Add the host's conflicts; return the best outcome, None where no driver can be looked at."""
    hardware = host.hardware(case)
    conflicts += [*hardware, *host.stack(case)]
    if not case.gpus or any(found.rule == "one-module" for found in hardware):
        return None
    candidates = [option for option in drivers.options(case) if not drivers.wished(case, option)]
    judged = [(option, drivers.objections(case, option)) for option in candidates]
    fewest = min(drivers.weight(found) for _, found in judged)
    best = sorted(
        (option for option, found in judged if drivers.weight(found) == fewest),
        key=lambda option: drivers.preference(case, option),
    )
    if fewest:
        against = next(found for option, found in judged if option == best[0])
        conflicts += against
        return None if not case.images else _with_images(case, best[:1])
    return _with_images(case, best)


def _with_images(case: Case, options: Iterable[Option]) -> _Outcome:
    outcomes = []
    for option in options:
        fits = [images.fit(case, wish, option) for wish in case.images]
        outcome = _Outcome(
            option,
            tuple(one.image for one in fits if one.image),
            tuple(c for one in fits for c in one.conflicts),
            tuple(w for one in fits for w in one.warnings) + tuple(host.stack_warnings(case)),
        )
        if not outcome.conflicts:
            return outcome
        outcomes.append(outcome)
    return min(outcomes, key=lambda one: len(one.conflicts))


def _contract(case: Case, outcome: _Outcome) -> Contract:
    option, known = outcome.option, case.known
    toolkit = host.toolkit(case)
    if toolkit is None:
        raise AssertionError("a contract without a toolkit: host.stack() let it pass")
    wants_fabric = case.wishes.fabric_manager == "yes" or (
        case.wishes.fabric_manager != "no" and case.facts.nvswitches > 0
    )
    return Contract(
        source=option.source,
        modules=option.modules,
        flavour=option.flavour,
        branch=option.branch,
        driver=drivers.version(case, option),
        cuda=known.branches[option.branch].cuda,
        fabric_manager=(
            known.fabric_manager_package(option.source, option.branch) if wants_fabric else None
        ),
        toolkit=toolkit.toolkit,
        docker_minimum=toolkit.docker,
        dcgm=known.dcgm_package(option.branch),
        mig_capable=tuple(dict.fromkeys(gpu.product for gpu in host.mig_capable(case))),
        images=outcome.images,
        builds=_builds(case, option),
        packages=known.driver_packages(
            option, case.facts.system, (case.facts.kernel or "generic").split("-")[-1]
        ),
    )


def _builds(case: Case, option: Option) -> tuple[str, ...]:
    """Return all builds of PyTorch that fit, the newest release first."""
    found = []
    for name, release in sorted(
        case.known.releases.items(), key=lambda item: numbers(item[0]), reverse=True
    ):
        for build in reversed(release.builds):
            wish = ImageWish(torch=name, cuda=build.cuda)
            if not images.fit(case, wish, option).conflicts:
                found.append(f"{name}+cu{build.cuda.replace('.', '')}")
    return tuple(found)


def _branch_life(case: Case, option: Option) -> list[Conflict]:
    row = case.known.branches[option.branch]
    if not row.dead(case.today):
        return []
    ended = f"ended in {row.eol}" if row.eol else "has ended"
    return [
        case.conflict(
            "branch-life", f"R{option.branch} {ended}: it gets no security updates any more"
        )
    ]
