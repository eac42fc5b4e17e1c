"""No finding names a restart of Docker that would do harm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pyinfra.api.exceptions import FactProcessError

from torchrack.docker.daemon_json import NotAnObjectError, parse
from torchrack.docker.start import obstacles
from torchrack.drift.model import Finding
from torchrack.drift.probes.subject import Subject
from torchrack.facts.docker import Daemon, DaemonState

_RESTART = "systemctl restart docker"
_MOVED = ".disabled"
"""What a fix names the drop-ins that it takes out of systemd's sight."""


def harmless(findings: Sequence[Finding], lines: Sequence[str], subject: Subject) -> list[Finding]:
    """Return findings, where no command restarts Docker into a start that fails or hides its data.

    Args:
        findings: with fixes that take a restart to be harmless.
        lines: what Daemon's command printed; none: the script was cut off.
        subject: the host.
    """
    if not any(_RESTART in one.fix for one in findings):
        return list(findings)
    try:
        now = Daemon().process(list(lines))
    except (FactProcessError, ValueError, KeyError):
        why = "look at the host: what a restart of Docker would do could not be checked"
        return [replace(one, fix=why) if _RESTART in one.fix else one for one in findings]
    return [_one(finding, now, subject) for finding in findings]


def _one(finding: Finding, now: DaemonState, subject: Subject) -> Finding:
    if _RESTART not in finding.fix:
        return finding
    units = {path: text for path, text in now.units.items() if f"{path}{_MOVED}" not in finding.fix}
    try:
        problems = obstacles(subject.host, replace(now, units=units), parse(now.daemon_json or ""))
    except NotAnObjectError as error:
        return replace(finding, fix=f"correct /etc/docker/daemon.json first, it is {error}")
    if not problems:
        return finding
    problem = problems[0]
    fix = f"no restart of Docker now: {problem.found} ({problem.needed}). {problem.fix}"
    return replace(finding, fix=fix)
