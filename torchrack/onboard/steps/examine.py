"""What a newcomer is, what is in its way, and what it would get; nothing is changed."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter

from torchrack.contract.conflicts import conflict_problems
from torchrack.contract.model import Contract
from torchrack.contract.plan import Planned, plan
from torchrack.errors import HostError, ProblemsError
from torchrack.inventory import FleetHost
from torchrack.lock.fleet import exact, lock_of
from torchrack.lock.fleet import problems as lock_problems
from torchrack.onboard.hardware import hardware
from torchrack.onboard.pages import HARDWARE
from torchrack.onboard.work import Said, Work
from torchrack.preflight.ask import LOCK_POLL
from torchrack.preflight.checks import check
from torchrack.preflight.facts import HostFacts, UnclearAnswer, parse
from torchrack.preflight.script import script
from torchrack.preflight.secrets import unreadable
from torchrack.preflight.subject import Subject
from torchrack.same_server import refusals
from torchrack.stamp import STAMP
from torchrack.stamp.content import value


def facts(work: Work) -> Said:
    """Ask what the host is, once apt is free there."""
    work.host = _exact_if_locked(work.joining.host)
    deadline = time.monotonic() + work.host.settings.preflight.apt_lock_timeout
    while True:
        work.facts = _ask(work)
        if not work.facts.apt_holders or time.monotonic() >= deadline:
            break
        work.shows.note(work.name, f"waiting for apt, locked by pid {work.facts.apt_holders[0]}")
        time.sleep(LOCK_POLL)
    work.details[HARDWARE] = hardware(work.session)
    return work.seen(f"{work.facts.survey.distribution}, {gpus(work)}{_of_another_fleet(work)}")


def preflight(work: Work) -> Said:
    """Find everything that would stop a deploy, all at once."""
    problems = check(work.subject) + unreadable(work.name, work.host.settings)
    fleet = {work.name: work.host.data, **work.joining.others}
    problems += refusals({work.name: work.facts.survey}, fleet)
    if problems:
        raise ProblemsError(f"{len(problems)} problem(s) are in the way.", problems)
    return work.seen("nothing is in the way of a deploy")


def contract(work: Work) -> Said:
    """Resolve what the host gets: driver, toolkit and images that go together."""
    today = dt.datetime.now(dt.timezone.utc).date()
    outcome = plan([work.joining.host], {work.name: work.facts}, today=today)[0].outcome
    if not isinstance(outcome, Planned):
        raise HostError(outcome)
    found = outcome.answer.contract
    if found is None:
        work.conflict = True
        problems = conflict_problems(work.name, outcome.answer)
        raise ProblemsError("There is no contract.", problems)
    warnings = [warning.reason for warning in outcome.answer.warnings]
    work.details["Contract"] = _shown(found) | ({"Warnings": warnings} if warnings else {})
    for warning in warnings:
        work.shows.note(work.name, f"note: {warning}")
    return work.seen(", ".join(f"{name} {value}" for name, value in _shown(found).items()))


def gpus(work: Work) -> str:
    """Return the GPUs of a host in words."""
    tables = work.host.settings.knowledge.tables()
    found = [tables.gpu(function.device) for function in work.facts.survey.gpus]
    counts = Counter(gpu.product if gpu else "GPU of an unknown kind" for gpu in found)
    return ", ".join(f"{count}x {name}" for name, count in counts.items()) or "no GPU"


def _ask(work: Work) -> HostFacts:
    asked = time.time()
    answer = work.session.run(script(work.host.settings))
    try:
        found = parse(answer.out, answer.err)
    except UnclearAnswer as error:
        raise work.problem(
            "Facts of the host",
            f"an answer that makes no sense: {error}",
            "the script's whole answer",
            "look at the host: what its shells print at login is in the way",
        ) from error
    work.subject = Subject(work.name, found, work.host.settings, asked, time.time())
    return found


def _of_another_fleet(work: Work) -> str:
    """Who deployed a server before that this fleet does not have: two fleets would undo each other.

    A fleet may also have lost it, or its files, so that this is said and stops nothing.
    """
    if work.joining.listed:
        return ""
    stamp = "\n".join(work.session.run(f"cat {STAMP} 2>/dev/null || true").out)
    who, when = (" ".join(str(value(stamp, key) or "").split())[:80] for key in ("who", "when"))
    if not who:
        return ""
    work.shows.note(work.name, "note: if another fleet has it still, take it out there first")
    return f"; deployed before, by {who} at {when}"


def _exact_if_locked(host: FleetHost) -> FleetHost:
    """The host with the versions that its fleet's lock has for it, where there are any."""
    if lock_of(host.data) is None or lock_problems([(host.name, host.data, host.settings)]):
        return host
    return exact([host], host.data["_inventory_file"])[0]


def _shown(contract: Contract) -> dict[str, object]:
    driver = contract.driver or f"R{contract.branch}"
    return {
        "driver": f"{driver} {contract.flavour} from {contract.source} ({contract.modules})",
        "CUDA": contract.cuda or "not known",
        "toolkit": contract.toolkit,
        "PyTorch": contract.builds[0] if contract.builds else "none",
    }
