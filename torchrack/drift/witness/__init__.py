"""Who changed what a check found, and when, as far as the host itself knows.

Asked only where something drifted, in one more trip; a host that knows nothing takes nothing away
from a finding.
"""

from __future__ import annotations

import datetime as dt
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace

from torchrack.drift.model import Finding
from torchrack.drift.witness.acts import Act, acts
from torchrack.drift.witness.evidence import Evidence, read
from torchrack.drift.witness.resource import Resource, resource_of
from torchrack.operations.files import read as read_file

SECONDS = 30
"""How long the host may take to tell."""
_OLDEST = dt.timedelta(days=14)
_SLACK = 1.5
"""Seconds between a change and its line in the log."""
_LOOKS = re.compile(r".*eval \"\$\(cat\)\"|\S*/true$")
"""Commands of what only looked: a check, and the questions of a deploy."""
_SPOKEN_OF = ("account", "container", "file", "package", "sudoers", "unit")
"""Kinds of things whose names, in a command, mean the thing."""


def script(findings: Sequence[Finding], deployed: dt.datetime | None, now: dt.datetime) -> str:
    """Return what to ask a host; empty where nothing drifted.

    Args:
        findings: of the host.
        deployed: when it was last deployed to; what was before is of no interest.
        now: the time.
    """
    resources = [resource_of(one) for one in findings if one.kind == "drift"]
    if not resources:
        return ""
    since = max(deployed, now - _OLDEST) if deployed else now - _OLDEST
    files = [path for one in resources if (path := one.path)]
    units = {one.name for one in resources if one.kind == "unit"}
    head = [
        f"since={int(since.timestamp())}",
        f"units={shlex.quote(' '.join(sorted(units)))}",
        shlex.join(["set", "--", *dict.fromkeys(files)]),
    ]
    return "\n".join([*head, read_file("drift/witness.sh")])


def told(
    findings: Sequence[Finding], lines: Sequence[str], deployed: dt.datetime | None
) -> tuple[Finding, ...]:
    """Return the findings with who and when, where the host knows.

    Args:
        findings: of the host.
        lines: what the script printed.
        deployed: when it was last deployed to; an earlier change is not what is looked for.
    """
    evidence = read(lines)
    done = [act for act in acts(evidence.log) if not _LOOKS.match(act.command)]
    times = {
        name: when for name, when in evidence.times.items() if not deployed or when >= deployed
    }
    return tuple(
        _told(one, resource_of(one), replace(evidence, times=times), done)
        if one.kind == "drift"
        else one
        for one in findings
    )


def _told(finding: Finding, what: Resource, evidence: Evidence, done: Sequence[Act]) -> Finding:
    change = evidence.packages.get(what.name)
    # apt's history knows of installations, not of holds.
    if what.kind == "package" and what.aspect != "held" and change:
        return replace(finding, who=change.who, when=change.when)
    when = evidence.times.get(what.path or what.name)
    act = _at(when, done) if when else None
    if act is None and when is None and what.kind in _SPOKEN_OF:
        act = _named(what.name, done)
    if act is None:
        return replace(finding, when=when)
    return replace(finding, who=act.told, when=when or act.begun)


def _at(when: dt.datetime, done: Sequence[Act]) -> Act | None:
    """Return what was going on then: the last that began of those that may have done it."""
    slack = dt.timedelta(seconds=_SLACK)
    there = [act for act in done if act.begun - slack <= when and not act.ended_before(when, slack)]
    return max(there, key=lambda act: act.begun, default=None)


def _named(name: str, done: Sequence[Act]) -> Act | None:
    """Return the last command that has the thing's name in it."""
    return max(
        (act for act in done if name in act.command), key=lambda act: act.begun, default=None
    )
