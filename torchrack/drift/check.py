"""Check a fleet: what differs from what deploy.py declares. Nothing on a host is changed."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from paramiko import SSHException
from pyinfra.context import ctx_state

from torchrack import context as deploy_context
from torchrack.drift import certificates, fixes, memory, probes, witness
from torchrack.drift.batch import Batch, unique
from torchrack.drift.evaluate import Context, Evaluation, evaluate
from torchrack.drift.foresight import foresee
from torchrack.drift.model import Class, Deployed, Finding, HostResult, Result
from torchrack.drift.probes import containers
from torchrack.drift.probes.subject import subject_of
from torchrack.drift.stand_in import HostStandIn, StateStandIn
from torchrack.errors import HostError, Problem
from torchrack.facts.answers import Answers, Output, Request
from torchrack.facts.survey import HostSurvey, Survey
from torchrack.inventory import FleetHost
from torchrack.lock.fleet import lock_of
from torchrack.remote import Session, across, unknown
from torchrack.run import ALWAYS, Stage, name_of, stages_of
from torchrack.same_server import fleet_of, refusals
from torchrack.stamp import STAMP

ROUNDS = 8
"""Trips to a host before its check is given up: each operation asks for one or two facts."""

SCOUTED = 4
"""Hosts from which on one goes ahead where nothing is remembered."""

_STAMP = Request(f"cat {STAMP} 2>/dev/null || true", 10)


def check(
    fleet: Sequence[FleetHost],
    deploy_file: Path,
    *,
    inventory: str,
    answered: Callable[[], None] = lambda: None,
    seconds: float | None = None,
    last: Mapping[str, dt.datetime] | None = None,
) -> Result:
    """Check hosts against the operations that a deploy would run on them.

    Args:
        fleet: the hosts, with settings that their lock has made exact.
        deploy_file: the fleet's deploy.py.
        inventory: path of the inventory, for messages.
        answered: called after each host.
        seconds: how long it may take; hosts that have not answered by then could not be checked.
        last: when hosts were checked before this, as far as that is known.

    Raises:
        TorchrackError: the deploy file can't be loaded.
    """
    started = _now()
    stages = tuple(s for s in stages_of(deploy_file) if name_of(s) not in ALWAYS)
    state = StateStandIn(list(fleet), deploy_file)
    file = memory.path_of(inventory)
    checker = _Checker(stages, state, inventory, memory.recall(file), last or {})
    for host in fleet:
        checker.prepare(host)
    with ctx_state.use(state):
        outcomes = _all(checker, fleet, answered, seconds)
    if checker.asked:
        memory.remember(file, {**checker.recalled, **checker.asked})
    refused = refusals(checker.surveys, fleet_of(host.data for host in fleet))
    doubles = {one.where: _untold(one, "double", "unknown") for one in refused}
    return Result(
        fleet=inventory,
        started=started,
        finished=_now(),
        stages=(*map(name_of, stages), "host"),
        hosts=tuple(
            _unreachable(outcome) if isinstance(outcome, Problem) else doubles.get(name, outcome)
            for name, outcome in outcomes.items()
        ),
        fleet_findings=certificates.ending(fleet, started),
    )


def _all(
    checker: _Checker,
    fleet: Sequence[FleetHost],
    answered: Callable[[], None],
    seconds: float | None,
) -> dict[str, HostResult | Problem]:
    """Check all hosts; where nothing is remembered, one goes ahead, and the others ask what it did.

    That costs a few trips to one host, and saves as many to each of the others.
    """
    begun = time.monotonic()
    ahead: dict[str, HostResult | Problem] = {}
    if not checker.recalled and len(fleet) >= SCOUTED:
        ahead = across(fleet[:1], checker.host, answered, seconds=seconds)
        seconds = max(1.0, seconds - (time.monotonic() - begun)) if seconds else None
    rest = [host for host in fleet if host.name not in ahead]
    return ahead | across(rest, checker.host, answered, seconds=seconds)


@dataclass
class _Checker:
    """The check of each host; ``asked``: what hosts that answered were asked for.

    Hosts are asked side by side and judged in turn: Python runs one thread at a time anyway, and
    what the first one needs (tables, templates) is read once, not by all that wait for it.
    """

    stages: tuple[Stage, ...]
    state: StateStandIn
    inventory: str
    recalled: dict[str, list[Request]]
    last: Mapping[str, dt.datetime] = field(default_factory=dict)
    asked: dict[str, list[Request]] = field(default_factory=dict)
    surveys: dict[str, Survey] = field(default_factory=dict)
    turn: Lock = field(default_factory=Lock)

    def prepare(self, host: FleetHost) -> None:
        """Hand the host's settings to the stages."""
        lock = lock_of(host.data)
        group = lock.group(host.name) if lock else None
        if group is None:
            raise AssertionError(f"{host.name} is not locked, though its settings are exact")
        deploy_context.remember(self._stand_in(host.name), host.settings, group)  # type: ignore[arg-type]

    def host(self, session: Session) -> HostResult:
        """Check one host, in as few trips as its facts allow."""
        name, begun = session.host.name, time.monotonic()
        answers, stamp = Answers(name), None
        survey = Request(str(HostSurvey().command()), 30)
        probe = probes.request(session.host.settings)
        guess = self._guess(name) or self._foresee(session.host, answers)
        wanted = unique([_STAMP, survey, probe, *guess])
        asked: list[Request] = []
        shown: dict[str, Output] = {}
        times = [time.time()]
        for _ in range(ROUNDS):
            outputs = _ask(session, wanted)
            times.append(time.time())
            answers.add(outputs)
            shown = shown or outputs
            asked += wanted
            stamp = stamp or _read_stamp(outputs.get(_STAMP.command))
            deployed = stamp[1] if stamp else None
            context = Context(self._stand_in(name), self.inventory, deployed)
            with self.turn:
                evaluation = evaluate(self.stages, answers, context)
            if not evaluation.missing:
                break
            wanted = unique(self._foresee(session.host, answers, evaluation))
        else:
            raise unknown(session.host, f"no end of questions after {ROUNDS}", "report it")
        self.asked[name] = [one for one in unique(asked[3:]) if one.command in answers.used]
        subject = subject_of(session.host, shown.get(survey.command), times, self.last.get(name))
        if subject and subject.survey:
            self.surveys[name] = subject.survey
        seen = probes.judge(shown.get(probe.command), subject)
        found = _once((*evaluation.findings, *_no_stamp(context, stamp), *seen))
        return HostResult(
            name=name,
            findings=_told(session, found, stamp[0].when if stamp else None),
            checked=_checked(self.stages, evaluation, seen),
            deployed=stamp[0] if stamp else None,
            seconds=time.monotonic() - begun,
            round_trips=session.trips,
        )

    def _guess(self, name: str) -> Sequence[Request]:
        """Return what a host was asked for last time; else what the last other one was."""
        others = list(self.asked.values()) or list(self.recalled.values())
        return self.recalled.get(name) or (others[-1] if others else ())

    def _foresee(
        self, host: FleetHost, answers: Answers, seen: Evaluation | None = None
    ) -> list[Request]:
        """Return what a look finds missing, and what it will find missing after that."""
        with self.turn:
            own = self._stand_in(host.name)
            seen = seen or evaluate(self.stages, answers, Context(own, self.inventory, None))
            self.state.hosts[host.name] = HostStandIn(host, self.state)
            try:
                self.prepare(host)
                ahead = foresee(self.stages, answers, self._stand_in(host.name))
            finally:
                self.state.hosts[host.name] = own
        return [*seen.missing, *ahead]

    def _stand_in(self, name: str) -> HostStandIn:
        return self.state.hosts[name]


def _ask(session: Session, wanted: tuple[Request, ...]) -> dict[str, Output]:
    batch = Batch(wanted, mark=f"=={secrets.token_hex(8)}")
    answer = session.run(batch.script(), seconds=batch.seconds)
    try:
        return batch.outputs(answer.out)
    except ValueError as error:
        raise unknown(session.host, f"an answer that was {error}", "look at the host") from error


def _told(
    session: Session, found: tuple[Finding, ...], deployed: dt.datetime | None
) -> tuple[Finding, ...]:
    """The findings with who and when; where the host can't say, as they are."""
    script = witness.script(found, deployed, _now())
    if not script:
        return found
    try:
        lines = session.run(script, seconds=witness.SECONDS).out
        return witness.told(found, lines, deployed)
    except (HostError, OSError, SSHException, EOFError):
        return found


def _checked(
    stages: Sequence[Stage], evaluation: Evaluation, seen: Sequence[Finding]
) -> tuple[str, ...]:
    whole = tuple(name for name in map(name_of, stages) if name not in evaluation.unsure)
    return whole if any(one.kind == "unknown" for one in seen) else (*whole, "host")


def _once(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings, each id once: the stamp can be told twice, by its stage and here."""
    known = tuple({one.id: one for one in reversed(findings)}.values())[::-1]
    return containers.without_twins(known)


def _read_stamp(output: Output | None) -> tuple[Deployed, dict[str, str]] | None:
    """What the host's stamp says, and the hashes of the operations; None where it says nothing."""
    try:
        data = json.loads("\n".join(output.lines)) if output else {}
        commit = (data.get("commit") or {}).get("revision")
        deployed = Deployed(commit, dt.datetime.fromisoformat(data["when"]), str(data["who"]))
        return deployed, {str(k): str(v) for k, v in data["operations"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _no_stamp(context: Context, stamp: object) -> list[Finding]:
    if stamp is not None:
        return []
    return [
        Finding(
            host=context.host.name,
            id="stamp.file:/etc/torchrack/deployed.json.content",
            stage="stamp",
            kind="drift",
            severity="cosmetic",
            what="What was deployed",
            expected="a stamp of the last deploy",
            actual="none that can be read, so that pending changes are told as drift",
            fix=fixes.deploy(context.inventory, context.host.name),
        )
    ]


def not_locked(problem: Problem) -> HostResult:
    """Return the result of a host that the fleet's lock does not know yet."""
    return _untold(problem, "unlocked", "unknown")


def _unreachable(problem: Problem) -> HostResult:
    return _untold(problem, "unreachable", "unreachable")


def _untold(problem: Problem, name: str, kind: Class) -> HostResult:
    """A host of which this is all that can be said."""
    finding = Finding(
        host=problem.where,
        id=f"host.{name}",
        stage="host",
        kind=kind,
        severity="outage",
        what=problem.what,
        expected=problem.needed,
        actual=problem.found,
        fix=problem.fix,
    )
    return HostResult(problem.where, (finding,))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)
