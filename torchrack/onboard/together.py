"""The steps that all newcomers take at once: their lock, and one run of the deploy file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

from torchrack.contract.conflicts import conflict_problems
from torchrack.errors import Problem
from torchrack.exclusive import exclusive
from torchrack.inventory import FleetHost, load_fleet
from torchrack.lock import file
from torchrack.lock.fleet import exact
from torchrack.lock.make import Made, make
from torchrack.lock.model import Lock, empty
from torchrack.onboard.walk import Keep, recording
from torchrack.onboard.work import Terms, Work
from torchrack.runner.model import HostOutcome, Outcome


def lock(works: Sequence[Work], terms: Terms) -> None:
    """Lock what the newcomers get; those that can't be locked stop here, the others go on.

    Args:
        works: the newcomers, which are in the inventory now.
        terms: what holds for all.
    """
    with recording(works, "lock") as keep:
        path = Path(works[0].host.data["_lock_file"])
        with exclusive(path.parent):
            fleet = load_fleet(terms.inventory)  # others may have joined it meanwhile
            old = file.read(path) or empty()
            made = _made(fleet, works, old)
            text = file.text(made.lock, terms.inventory)
            if made.locked and (not path.is_file() or text != path.read_text(encoding="utf-8")):
                file.write(path, made.lock, terms.inventory)
        hosts = {host.name: host for host in fleet}
        for work in works:
            _keep_lock(keep, work, hosts[work.name], old, made)


def deploy(works: Sequence[Work], terms: Terms) -> None:
    """Run the deploy file on the newcomers; one that preflight stops does not stop the others.

    Args:
        works: the newcomers, which are locked.
        terms: what holds for all.

    Raises:
        KeyboardInterrupt: a person ended the run.
    """
    # gevent has patched the standard library by now, which this import relies on.
    from torchrack.runner.run import Order, run  # noqa: PLC0415

    with recording(works, "deploy") as keep:
        left = list(works)
        while left:
            names = {work.name: frozenset[str]() for work in left}
            order = Order(terms.inventory, terms.deploy_file, names)
            outcome = run(order, left[0].shows)
            if outcome.verdict == "interrupted":
                raise KeyboardInterrupt
            refused = _refused(left, outcome)
            if not refused:
                for work, host in zip(left, outcome.hosts, strict=True):
                    _keep_deploy(keep, work, host, outcome, terms)
                return
            for work, problems in refused:
                keep(work, "failed", problems[0].found, problems)
            left = [work for work in left if "deploy" not in work.steps]


def _made(fleet: Sequence[FleetHost], works: Sequence[Work], old: Lock) -> Made:
    return make(
        fleet,
        {work.name for work in works},
        old,
        free=frozenset(),
        today=dt.datetime.now(dt.timezone.utc).date(),
    )


def _keep_lock(keep: Keep, work: Work, host: FleetHost, old: Lock, made: Made) -> None:
    """Say whether a newcomer is locked, and have its settings exact from here on."""
    if work.name in made.conflicts:
        work.conflict = True
        problems = conflict_problems(work.name, made.conflicts[work.name])
    elif work.name not in made.locked:
        own = [problem for problem in made.problems if problem.where == work.name]
        problems = own or made.problems  # a registry's, say, which is every newcomer's
    else:
        work.host = exact([host], work.terms.inventory)[0]
        group = made.locked[work.name].group
        unchanged = old.group(work.name) is not None and _same(old, made.lock, work.name)
        driver = f"driver {group.driver.version} {group.driver.flavour}"
        toolkit = group.packages.get("nvidia-container-toolkit", "unknown")
        text = f"{driver}, toolkit {toolkit} in {file.shown(host.data['_lock_file'])}"
        keep(work, "already" if unchanged else "done", text)
        return
    keep(work, "failed", problems[0].found, problems)


def _same(old: Lock, new: Lock, name: str) -> bool:
    before, after = old.group(name), new.group(name)
    if before is None or after is None:
        return False
    return before.model_copy(update={"hosts": ()}) == after.model_copy(update={"hosts": ()})


def _refused(works: Sequence[Work], outcome: Outcome) -> list[tuple[Work, list[Problem]]]:
    """The newcomers for which nothing was begun, with the reasons; empty where it was."""
    if not outcome.refused:
        return []
    own = {work.name: [one for one in outcome.problems if one.where == work.name] for work in works}
    if any(own.values()):
        return [(work, own[work.name]) for work in works if own[work.name]]
    shared = list(outcome.problems)
    return [(work, shared or [_problem(work, outcome.refused)]) for work in works]


def _keep_deploy(keep: Keep, work: Work, host: HostOutcome, outcome: Outcome, terms: Terms) -> None:
    failure = host.failure
    if failure is not None:
        where = " | ".join(filter(None, (failure.stage, failure.operation)))
        keep(
            work, "failed", f"{where}: {failure.message}", [_problem(work, failure.message, where)]
        )
        return
    stages = dict.fromkeys(change.stage for change in host.changes)
    work.details["Deploy"] = {
        "Deploy file": file.shown(terms.deploy_file),
        "Changes": str(len(host.changes)),
        "Stages that changed something": ", ".join(stages) or "none",
    }
    count = len(host.changes)
    if not count:
        keep(work, "already", f"as declared in {len(outcome.stages)} stages")
    else:
        text = f"{count} change{'' if count == 1 else 's'} in {len(stages)} stage(s)"
        keep(work, "done", text)


def _problem(work: Work, found: str, where: str = "") -> Problem:
    return Problem(
        work.name,
        f"Deploy: {where}" if where else "Deploy",
        found,
        "all stages done",
        "mend that, and run the same command again: it goes on from there",
    )
