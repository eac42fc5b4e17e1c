"""Secrets of ours that somebody shows: in the arguments of a process, or in a container's settings.

Every account of a host can read the arguments of all processes.
"""

from __future__ import annotations

from collections.abc import Iterator

from torchrack.drift.model import Finding
from torchrack.drift.probes.subject import Subject

_RENEW = {"pull-account": "give the pull account a new password"}


def judge(lines: list[str], subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each secret that shows; the host looked for it, and tells who alone.

    Args:
        lines: "process SECRET PID NAME" and "container SECRET NAME".
        subject: the host.

    Raises:
        ValueError: a line is none of these.
    """
    seen: dict[str, list[str]] = {}
    for line in sorted(set(lines)):
        kind, secret, *who = line.split(maxsplit=3)
        if kind not in ("process", "container") or not who:
            raise ValueError(f"{kind} {secret}")
        seen.setdefault(secret, []).append(f"{kind} {' '.join(reversed(who))}")
    for secret, places in seen.items():
        renew = _RENEW.get(secret, "remove its file jupyter_token, and run the stage workloads")
        yield subject.finding(
            f"secret:{secret}.shown",
            f"The secret {secret}",
            expected="in its own file alone",
            actual=f"shown by {', '.join(places[:4])}" + (", ..." if len(places) > 4 else ""),
            fix=f"stop what shows it, and {renew}: it is known now",
            severity="security",
        )
