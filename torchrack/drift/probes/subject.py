"""What a probe is judged by: the host, its settings, and how findings are made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyinfra.api.exceptions import FactProcessError

from torchrack.drift.model import Class, Finding, Severity
from torchrack.drift.severity import severity_of
from torchrack.facts.answers import Output
from torchrack.facts.survey import HostSurvey, Survey
from torchrack.inventory import FleetHost
from torchrack.lock.fleet import lock_of
from torchrack.settings.model import Settings


@dataclass(frozen=True)
class Subject:
    """A host whose probes are judged.

    Args:
        host: its name.
        settings: what is declared for it.
        survey: what it is; None where that is not known, which the stages tell.
        asked: this machine's time when it was asked, seconds since the epoch.
        answered: the same when its answer was complete.
        own_keys: public keys that the inventory itself logs in with.
        gpus: PCI id to the number of GPUs when the host was locked; None where it is not.
        first_login: the account that it was onboarded by, whose keys are known.
        checked: when it was checked last; None where that is not known.
    """

    host: str
    settings: Settings
    survey: Survey | None = None
    asked: float = 0.0
    answered: float = 0.0
    own_keys: tuple[str, ...] = ()
    gpus: Mapping[str, int] | None = None
    first_login: str | None = None
    checked: dt.datetime | None = None

    def finding(
        self,
        name: str,
        what: str,
        *,
        expected: str,
        actual: str,
        fix: str,
        kind: Class = "drift",
        severity: Severity | None = None,
        when: dt.datetime | None = None,
    ) -> Finding:
        """Make a finding of this host; the severity is the table's where none is given."""
        finding_id = f"host.{name}"
        return Finding(
            host=self.host,
            id=finding_id,
            stage="host",
            kind=kind,
            severity=severity or severity_of(finding_id),
            what=what,
            expected=expected,
            actual=actual,
            fix=fix,
            when=when,
        )

    def unknown(self, name: str, what: str, found: str) -> Finding:
        """Make the finding of a probe that gave no answer."""
        return self.finding(
            name,
            what,
            expected="an answer",
            actual=found,
            fix="look at the host: this could not be checked",
            kind="unknown",
            severity="outage",
        )


def subject_of(
    host: FleetHost,
    survey: Output | None,
    times: Sequence[float],
    checked: dt.datetime | None = None,
) -> Subject:
    """Return a host as its probes are judged by.

    Args:
        host: the host.
        survey: what HostSurvey's command printed there.
        times: this machine's time before the probes went over and after their answer.
        checked: when it was checked last.
    """
    lock = lock_of(host.data)
    group = lock.group(host.name) if lock else None
    return Subject(
        host.name,
        host.settings,
        _surveyed(survey),
        asked=times[0],
        answered=times[1],
        own_keys=_own_keys(host),
        first_login=host.data.get("_first_login"),
        checked=checked,
        gpus=group.found.gpus if group else None,
    )


def _surveyed(output: Output | None) -> Survey | None:
    """What the host is; None where it did not say, which the stages tell of by themselves."""
    try:
        return HostSurvey().process(output.lines) if output else None
    except FactProcessError:
        return None


def _own_keys(host: FleetHost) -> tuple[str, ...]:
    """The public half of the key that the inventory logs in with, where it lies beside it."""
    key = host.data.get("ssh_key")
    try:
        return (Path(f"{key}.pub").expanduser().read_text(encoding="utf-8"),) if key else ()
    except (OSError, UnicodeDecodeError):
        return ()


Judge = Callable[[list[str], Subject], Iterable[Finding]]
