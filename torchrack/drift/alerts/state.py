"""What was last told of a fleet, and what could not be delivered yet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from torchrack import atomic
from torchrack.drift.model import SEVERITIES, Class, Finding, Severity, Verdict
from torchrack.drift.verdict import verdict
from torchrack.drift.waivers import Waived

MOST = 50
"""Messages kept for a target; the oldest is dropped for a new one beyond that."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Told(_Data):
    """A finding, as far as it is told in a message."""

    host: str
    id: str
    kind: Class
    severity: Severity
    what: str
    fix: str


class Message(_Data):
    """A change of state.

    Args:
        fleet: the inventory's path.
        when: of the check.
        before: the verdict that was told last.
        verdict: of the check.
        came: findings that were not there when a message was last sent.
        went: those that were, and are no more.
        open: findings that are there, with those that were before.
    """

    schema_: Literal[1] = Field(default=1, alias="schema")
    fleet: str
    when: dt.datetime
    before: Verdict
    verdict: Verdict
    came: tuple[Told, ...]
    went: tuple[Told, ...]
    open: int


class Waiting(_Data):
    """A message that a target has not got yet."""

    target: str
    message: Message


class State(_Data):
    """What was last told, and what waits."""

    verdict: Verdict = "in_sync"
    findings: tuple[Told, ...] = ()
    waiting: tuple[Waiting, ...] = ()


def read(path: Path) -> State:
    """Return the state in a file; that of a fleet in sync where there is none, or no good one."""
    try:
        return State.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return State()


def write(path: Path, state: State) -> None:
    """Keep the state.

    Raises:
        OSError: it can't be written.
    """
    atomic.write(path, state.model_dump_json(by_alias=True), mode=0o600)


def change(state: State, checked: Waived) -> tuple[State, Message | None]:
    """Return what has to be told after a check, None where nothing changed.

    What was told of a host that could not be checked whole stays: nobody knows that it is gone.
    What was told of one that is in the inventory no longer goes.

    Args:
        state: what was told last.
        checked: the check; what is waived in it is not there.
    """
    result = checked.result
    now = {(one.host, one.id): _told(one) for one in result.findings if checked.waiver(one) is None}
    known = {(one.host, one.id): one for one in state.findings}
    kept = {key: one for key, one in known.items() if key not in now and not result.covers(key[0])}
    came = _sorted(one for key, one in now.items() if key not in known)
    went = _sorted(one for key, one in known.items() if key not in now and key not in kept)
    after = verdict(checked)
    if kept and after == "in_sync":
        after = state.verdict
    if not came and not went and after == state.verdict:
        return state, None
    findings = _sorted([*now.values(), *kept.values()])
    message = Message(
        fleet=result.fleet,
        when=result.started,
        before=state.verdict,
        verdict=after,
        came=came,
        went=went,
        open=len(findings),
    )
    new = State(verdict=after, findings=findings, waiting=state.waiting)
    return new, message


def queue(state: State, message: Message, targets: Mapping[str, Severity]) -> State:
    """Return the state with a message waiting for each target that wants to know of it."""
    waiting = list(state.waiting)
    for key, least in targets.items():
        own = _for(message, least)
        if own is not None:
            waiting.append(Waiting(target=key, message=own))
    kept: list[Waiting] = []
    for key in targets:
        kept += [one for one in waiting if one.target == key][-MOST:]
    return state.model_copy(update={"waiting": tuple(kept)})


def _for(message: Message, least: Severity) -> Message | None:
    """Return a message with what is grave enough, None where nothing of it is."""

    def grave(found: Sequence[Told]) -> tuple[Told, ...]:
        most = SEVERITIES.index(least)
        return tuple(one for one in found if SEVERITIES.index(one.severity) <= most)

    came, went = grave(message.came), grave(message.went)
    if not came and not went and (message.came or message.went):
        return None
    return message.model_copy(update={"came": came, "went": went})


def _told(one: Finding) -> Told:
    return Told(
        host=one.host,
        id=one.id,
        kind=one.kind,
        severity=one.severity,
        what=one.what,
        fix=one.fix,
    )


def _sorted(found: Iterable[Told]) -> tuple[Told, ...]:
    return tuple(sorted(found, key=lambda one: (SEVERITIES.index(one.severity), one.host, one.id)))
