"""What preflight looks at before a change, looked at again: by its own checks.

A deploy that met one of these would refuse to start. They are no part of any stage, so that no
stage tells of them.
"""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from torchrack.drift.model import Finding, Severity
from torchrack.drift.probes.subject import Subject
from torchrack.facts.survey import Survey
from torchrack.lock.apply import gpus_of
from torchrack.preflight.checks import packages
from torchrack.preflight.checks import system as machine
from torchrack.preflight.facts import HostFacts
from torchrack.preflight.subject import Check
from torchrack.preflight.subject import Subject as Preflight

_CHECKS: tuple[tuple[Check, str, Severity], ...] = (
    (machine.operating_system, "system:os.supported", "compat"),
    (machine.clock, "system:clock.offset", "outage"),
    (packages.foreign_docker, "docker:engine.source", "compat"),
    (packages.runfile_driver, "driver:files.owner", "compat"),
)
"""Preflight's checks that stay true of a healthy host and that no stage makes, the finding's name,
and how grave it is."""


def judge(lines: list[str], subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each thing that preflight would refuse.

    Args:
        lines: a word that says what follows, and its value.
        subject: the host.

    Raises:
        ValueError: the lines are no such answers.
    """
    told: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        kind, _, rest = line.partition(" ")
        told[kind].append(rest)
    if not told["clock"] or not told["check"]:
        raise ValueError("no clock, or no word of apt")
    yield from _cloud_init(told["cloud-init"], subject)
    yield from _apt(told, subject)
    if subject.survey is None:
        return
    yield from _gpus(subject.survey, subject)
    preflight = Preflight(
        subject.host,
        _facts(told, subject.survey),
        subject.settings,
        subject.asked,
        subject.answered,
    )
    for check, name, severity in _CHECKS:
        yield from _problems(preflight, check, name, severity, subject)


def _gpus(survey: Survey, subject: Subject) -> Iterator[Finding]:
    """Yield a finding where the PCI bus has other GPUs than when the host was locked.

    One that is gone from the bus is gone from nvidia-smi and from the containers as well, so that
    those agree.
    """
    found = gpus_of(survey)
    if subject.gpus is not None and found != subject.gpus:
        yield subject.finding(
            "system:gpus.count",
            "GPUs on the PCI bus",
            expected=_counted(subject.gpus),
            actual=_counted(found),
            fix="look for the missing one with lspci and in the BMC's log, and power-cycle it; "
            "where the change was meant, run torchrack lock",
            kind="hardware",
            severity="outage",
        )


def _counted(gpus: Mapping[str, int]) -> str:
    return ", ".join(f"{count} of {device}" for device, count in sorted(gpus.items())) or "none"


def _facts(told: dict[str, list[str]], survey: Survey) -> HostFacts:
    return HostFacts(
        survey,
        clock=float(told["clock"][0]),
        foreign_docker=tuple(told["engine"]),
        unowned_driver_files=tuple(sorted(set(told["file"]) - set(told["owned"]))),
    )


def _problems(
    preflight: Preflight, check: Check, name: str, severity: Severity, subject: Subject
) -> Iterator[Finding]:
    problems = list(check(preflight))
    if problems:
        yield subject.finding(
            name,
            problems[0].what,
            expected=problems[0].needed,
            actual="; ".join(dict.fromkeys(one.found for one in problems)),
            fix=problems[0].fix,
            severity=severity,
        )


def _apt(told: dict[str, list[str]], subject: Subject) -> Iterator[Finding]:
    """apt that does not work, and packages that are half there; unknown while apt is at work."""
    status = int(told["check"][0])
    half = sorted(told["half"])
    if told["apt"] and (status or half):
        at_work = f"apt is at work (process {told['apt'][0]})"
        yield subject.unknown("system:apt.check", "apt and dpkg", at_work)
        return
    if half:
        yield subject.finding(
            "system:packages.half-installed",
            "Packages whose installation was cut short",
            expected="none",
            actual=", ".join(half[:6]) + (", ..." if len(half) > 6 else ""),
            fix="sudo dpkg --configure -a && sudo apt-get --fix-broken install",
            severity="outage",
        )
    elif status:
        errors = [line for line in told["said"] if line.startswith("E:") or "Depends:" in line]
        yield subject.finding(
            "system:apt.check",
            "apt",
            expected="packages whose dependencies are met, and sources that can be read",
            actual=" ".join(errors or told["said"][-2:])[:300],
            fix=_mend(told["said"]),
            severity="outage",
        )


def _mend(said: Sequence[str]) -> str:
    """What makes apt work again: one wrong line of a source at a time, as apt itself tells them."""
    for line in said:
        if match := re.search(r" (\d+) in (?:source list|list file) (/\S+\.list)\b", line):
            command = f"sudo sed -i '{match[1]}s/^/#/' {shlex.quote(match[2])}"
            return f"{command}, which takes out the line that apt can't read"
    return "sudo apt-get --fix-broken install, or mend what apt-get check names"


def _cloud_init(lines: list[str], subject: Subject) -> Iterator[Finding]:
    """Yield a finding where cloud-init would turn passwords on at the next boot."""
    file, _, value = lines[-1].partition(" ") if lines else ("", "", "false")
    if value.strip().lower() not in ("false", "no", "off", "0", "unchanged"):
        yield subject.finding(
            "cloud-init:ssh_pwauth.value",
            "What cloud-init sets at the next boot",
            expected="ssh_pwauth: false",
            actual=f"{value.strip()} in {file}, which is read last",
            fix=f"sudo sed -i '/^ssh_pwauth:/d' {shlex.quote(file)}",
            severity="security",
        )
