"""What a deploy would change on a server, by the drift check's own evaluation. Nothing is changed.

The server is locked in thought alone, as ``torchrack lock`` would lock it with these settings. No
registry is asked: a tag of the catalog that the fleet's lock does not have yet stays unknown.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyinfra.context import ctx_state

from torchrack import context as deploy_context
from torchrack.adopt import unlocked
from torchrack.adopt.found import Found
from torchrack.apt.offers import ask_offers, driver_versions
from torchrack.contract.model import Answer
from torchrack.docker.daemon_json import NotAnObjectError, merge, step
from torchrack.docker.daemon_json import parse as parse_json
from torchrack.docker.engine import configuration
from torchrack.drift import fixes
from torchrack.drift.batch import Batch, unique
from torchrack.drift.evaluate import Context, evaluate
from torchrack.drift.model import Finding
from torchrack.drift.stand_in import StateStandIn
from torchrack.errors import HostError, Problem
from torchrack.facts.answers import Answers, Request
from torchrack.facts.survey import HostSurvey
from torchrack.inventory import FleetHost
from torchrack.lock import apply
from torchrack.lock.model import Group, Lock
from torchrack.lock.resolve import Question, lock_host
from torchrack.preflight.checks import check
from torchrack.preflight.facts import HostFacts, UnclearAnswer, parse
from torchrack.preflight.script import script
from torchrack.preflight.subject import Subject
from torchrack.remote import Session, unknown
from torchrack.run import ALWAYS, name_of, stages_of
from torchrack.settings.docker import Docker
from torchrack.workloads.workload import LABEL

ROUNDS = 8
"""Trips before it is given up."""


@dataclass(frozen=True)
class Ahead:
    """What a deploy with the proposed settings would meet.

    Args:
        problems: what would keep it from beginning, or from being locked.
        stops: where it would stop, unless an earlier stage of it mends that.
        changes: what it would change, as the drift check tells it.
        unknown: what can't be said before the server is locked.
        docker: what becomes of the running engine and its containers; empty: nothing.
        seconds: how long it took to find out.
    """

    problems: tuple[Problem, ...] = ()
    stops: tuple[Finding, ...] = ()
    changes: tuple[Finding, ...] = ()
    unknown: tuple[Problem, ...] = ()
    docker: str = ""
    seconds: float = 0.0


def look_ahead(
    session: Session, host: FleetHost, found: Found, deploy_file: Path, inventory: Path
) -> Ahead:
    """Return what a deploy would do.

    Args:
        session: the server.
        host: the server with the settings that it would have.
        found: what runs there.
        deploy_file: the fleet's deploy file.
        inventory: the inventory's path, for messages.

    Raises:
        HostError: the server did not answer.
        TorchrackError: the deploy file can't be loaded, or the fleet's lock is none.
    """
    begun = time.monotonic()
    asked = time.time()
    answer = session.run(script(host.settings), seconds=120)
    try:
        facts = parse(answer.out, answer.err)
    except UnclearAnswer as error:
        said = f"an answer that makes no sense: {error}"
        raise unknown(host, said, "look at the host") from error
    problems = check(Subject(host.name, facts, host.settings, asked, time.time()))
    try:
        group = _locked(session, host, facts)
    except HostError as error:
        group = error.problem
    if isinstance(group, Problem):
        return Ahead((*problems, group), seconds=time.monotonic() - begun)
    images = unlocked.digests(host)
    known = unlocked.without(host.settings, images)
    lock = Lock(schema=1, images=images, groups=(group,))
    exact = FleetHost(host.name, host.data, apply.exact(known, lock, group))
    findings = tuple(
        one
        for one in _findings(session, exact, group, deploy_file, inventory)
        if not unlocked.is_left_out(one, host.settings, known)
    )
    joins = {one.id.removeprefix("base.") for one in findings if one.stage == "base"}
    stops = tuple(
        one
        for one in findings
        # The stage base makes the account a member of the group, before sshd asks for it.
        if not (_is_mended(one, inventory) or _is_joined(one, joins))
    )
    return Ahead(
        tuple(problems),
        stops,
        tuple(one for one in findings if one not in stops),
        tuple(unlocked.problems(host, images, inventory)),
        after_merge(found, exact.settings.docker),
        time.monotonic() - begun,
    )


def _is_mended(finding: Finding, inventory: Path) -> bool:
    """Whether a deploy does it by itself, once it gets as far."""
    return finding.fix.endswith(fixes.deploy(str(inventory), finding.host, finding.stage))


def _is_joined(finding: Finding, joins: set[str]) -> bool:
    user = finding.id.removeprefix("sshd.groups-of-")
    return user != finding.id and f"account:{user}.groups" in joins


def after_merge(found: Found, settings: Docker) -> str:
    """Return what a running engine needs once our keys are in its daemon.json; empty: nothing.

    Args:
        found: what runs there.
        settings: the section.
    """
    if not found.info:
        return ""
    try:
        now = parse_json(found.daemon_json or "")
    except NotAnObjectError:
        return ""
    merged = merge(now, configuration(settings), {})
    needed = step(now, merged)
    if needed == "none":
        return ""
    keys = sorted(key for key in merged if merged[key] != now.get(key, ...))
    why = f"because of {', '.join(keys)} in daemon.json"
    running = sum(bool(one["State"].get("Running")) for one in found.containers)
    if needed == "reload":
        return f"Docker reloads {why}; containers go on"
    # dockerd refuses to reload such a file, and does not learn live-restore before it ends.
    unread = merged.get("userland-proxy") is True and "userland-proxy-path" not in merged
    if merged.get("live-restore") is True and (now.get("live-restore") is True or not unread):
        return f"Docker restarts {why}; {running} running container(s) live through it"
    if found.swarm:
        instead = f"a node of a swarm ({found.swarm}) can't have live_restore"
    else:
        instead = "live_restore=True lets them live through it"
        instead += ", if docker.extra says userland-proxy-path as well" if unread else ""
    gone = ", ".join(_ended_by_a_restart(found))
    ended = f"; Docker does not start {gone} again (no restart policy)" if gone else ""
    with_it = f"and its {running} running container(s) with it{ended}"
    return f"Docker RESTARTS {why}, {with_it}: {instead}"


def _ended_by_a_restart(found: Found) -> list[str]:
    """The running containers that neither the engine, a swarm, nor a unit of ours starts again."""
    return sorted(
        one["Name"].lstrip("/")
        for one in found.containers
        if one["State"].get("Running")
        and (one["HostConfig"].get("RestartPolicy") or {}).get("Name") in (None, "", "no")
        and not {LABEL, "com.docker.swarm.task"} & (one["Config"].get("Labels") or {}).keys()
    )


def _locked(session: Session, host: FleetHost, facts: HostFacts) -> Group | Problem:
    offers = ask_offers(session, facts.survey, host.settings)
    question = Question(
        name=host.name,
        settings=host.settings,
        facts=facts,
        drivers=driver_versions(offers),
        packages={
            name: tuple(offer.version for offer in versions)
            for name, versions in offers.versions.items()
        },
    )
    today = dt.datetime.now(dt.timezone.utc).date()
    tables = host.settings.knowledge.tables()
    made = lock_host(question, kept=None, today=today, knowledge=tables)
    if isinstance(made, Problem):
        return made
    if isinstance(made, Answer):
        conflict = made.conflicts[0]
        return Problem(
            host.name,
            f"Contract: {conflict.rule}",
            conflict.reason,
            f"what {conflict.source} allows",
            "; ".join(made.nearest[:2]) or "ask for something else in the settings",
        )
    return made.group


def _findings(
    session: Session, host: FleetHost, group: Group, deploy_file: Path, inventory: Path
) -> tuple[Finding, ...]:
    """Run each operation as far as its first command, with facts asked for in batches."""
    stages = tuple(stage for stage in stages_of(deploy_file) if name_of(stage) not in ALWAYS)
    state = StateStandIn([host], deploy_file)
    stand_in = state.hosts[host.name]
    deploy_context.remember(stand_in, host.settings, group)  # type: ignore[arg-type]
    answers = Answers(host.name)
    context = Context(stand_in, str(inventory), None)
    wanted: Sequence[Request] = (Request(str(HostSurvey().command()), 30),)
    with ctx_state.use(state):
        for _ in range(ROUNDS):
            batch = Batch(tuple(wanted), mark=f"=={secrets.token_hex(8)}")
            answer = session.run(batch.script(), seconds=batch.seconds)
            try:
                answers.add(batch.outputs(answer.out))
            except ValueError as error:
                fix = "look at the host"
                raise unknown(host, f"an answer that was {error}", fix) from error
            evaluation = evaluate(stages, answers, context)
            wanted = unique(evaluation.missing)
            if not wanted:
                return tuple(evaluation.findings)
    raise unknown(host, f"no end of questions after {ROUNDS}", "report it")
