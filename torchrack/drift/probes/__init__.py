"""What a host shows that no deploy sets: one script, judged here."""

from __future__ import annotations

from torchrack.drift.model import Finding
from torchrack.drift.probes import (
    accounts,
    containers,
    disks,
    docker,
    firewall,
    gpus,
    restart,
    secrets,
    sockets,
    system,
    xid,
)
from torchrack.drift.probes.script import request
from torchrack.drift.probes.subject import Judge, Subject
from torchrack.facts.answers import Output
from torchrack.sections import sections, with_status

__all__ = ["judge", "request"]

_JUDGES: dict[str, tuple[str, Judge]] = {
    "sockets": ("Listening sockets", sockets.judge),
    "disks": ("File systems", disks.judge),
    "accounts": ("Accounts and their rights", accounts.judge),
    "system": ("Clock, packages and what came past them", system.judge),
    "docker": ("The running Docker daemon", docker.judge),
    "gpus": ("The health of the GPUs, by nvidia-smi", gpus.judge),
    "containers": ("What holds the running containers", containers.judge),
    "firewall": ("The firewall's rules for containers", firewall.judge),
    "secrets": ("Who shows a secret", secrets.judge),
    "xid": ("Xid messages in the kernel's log", xid.judge),
}
"""Section of the script to what it is about, for messages, and who judges it."""


def judge(output: Output | None, subject: Subject) -> list[Finding]:
    """Return what is not as it should be; a section that failed is unknown, not fine.

    Args:
        output: of the script.
        subject: the host.
    """
    answer = sections(output.lines if output else [], blank=True)
    found: list[Finding] = []
    for name, (what, judge_section) in _JUDGES.items():
        status, lines = with_status(answer.get(name, []))
        if status != 0:
            said = "no answer" if status is None else f"a command that ended with {status}"
            found.append(subject.unknown(name, what, said))
            continue
        try:
            found += judge_section(lines, subject)
        except (ValueError, IndexError) as error:
            found.append(subject.unknown(name, what, f"an answer that makes no sense ({error})"))
    return restart.harmless(found, with_status(answer.get("daemon", []))[1], subject)
