"""File systems that are about to be full."""

from __future__ import annotations

from collections.abc import Iterator

from torchrack.docker.client import BY_HAND
from torchrack.drift.model import Finding
from torchrack.drift.probes.subject import Subject
from torchrack.preflight.checks.system import BOOT_ROOM


def judge(lines: list[str], subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each file system that is fuller than the settings allow.

    Args:
        lines: of ``df -PB1`` and ``df -Pi``, with "bytes" or "inodes" before each.
        subject: the host.

    Raises:
        ValueError: a line is none of df's, or there is none.
    """
    limit = subject.settings.drift.disk_full
    seen: set[tuple[str, str]] = set()
    for kind, *parts in (line.split() for line in lines):
        if parts[0] == "Filesystem":
            continue
        mount, used = parts[5], parts[4].rstrip("%")
        # Some file systems have no inodes to run out of; they say so with a dash.
        if (kind, mount) in seen or used == "-":
            continue
        seen.add((kind, mount))
        short = kind == "bytes" and mount == "/boot" and int(parts[3]) < BOOT_ROOM
        if short and int(used) < limit:
            yield subject.finding(
                f"disk:{mount}.{kind}",
                f"Room in {mount}",
                expected=f"{BOOT_ROOM // 2**20} MiB, for one more initramfs",
                actual=f"{int(parts[3]) // 2**20} MiB",
                fix="remove a kernel that is neither the running one (uname -r) nor the newest: "
                "sudo apt-get remove --allow-change-held-packages linux-image-RELEASE",
                severity="capacity",
            )
        if int(used) >= limit:
            yield subject.finding(
                f"disk:{mount}.{kind}",
                f"Use of {mount}",
                expected=f"under {limit} % of its {kind}",
                actual=f"{used} %",
                fix=f"see what is large there: du -xh --max-depth=2 {mount} | sort -h | tail; "
                f"{BY_HAND} system df shows what Docker has",
                severity="capacity",
            )
    if not seen:
        raise ValueError("no file system")
