"""Secrets of ours that somebody shows: in the arguments of a process, or in a container's settings.

Every account of a host can read the arguments of all processes.
"""

from __future__ import annotations

from collections.abc import Iterator

from torchrack.docker.client import BY_HAND
from torchrack.drift.model import Finding
from torchrack.drift.probes.stopping import stop
from torchrack.drift.probes.subject import Subject

_RENEW = {"pull-account": "give the pull account a new password"}


def judge(lines: list[str], subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each secret that shows; the host looked for it, and tells who alone.

    Args:
        lines: "process SECRET PID UNIT NAME", with "-" for one that is of no service, and
            "container SECRET NAME".
        subject: the host.

    Raises:
        ValueError: a line is none of these.
    """
    seen: dict[str, dict[str, str]] = {}
    for line in sorted(set(lines)):
        kind, secret, *who = line.split(maxsplit=4)
        place, command = _place(kind, who)
        seen.setdefault(secret, {})[place] = command
    for secret, stops in seen.items():
        places, commands = list(stops), " && ".join(dict.fromkeys(stops.values()))
        renew = _RENEW.get(secret, "remove its file jupyter_token, and run the stage workloads")
        yield subject.finding(
            f"secret:{secret}.shown",
            f"The secret {secret}",
            expected="in its own file alone",
            actual=f"shown by {', '.join(places[:4])}" + (", ..." if len(places) > 4 else ""),
            fix=f"{commands}, and {renew}: it is known now",
            severity="security",
        )


def _place(kind: str, who: list[str]) -> tuple[str, str]:
    """Who shows it, and the command that stops that."""
    if kind == "process" and len(who) == 3:
        pid, unit, name = who
        return f"process {name} {pid}", stop(pid, unit.removeprefix("-"))
    if kind == "container" and len(who) == 1:
        return f"container {who[0]}", f"{BY_HAND} stop {who[0]}"
    raise ValueError(f"{kind} {' '.join(who)}")
