"""Whether a server is left alone: what has to be waited for, and what stands in the way."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from torchrack.errors import Problem
from torchrack.operations.files import read
from torchrack.remote import Session, unknown
from torchrack.sections import sections

POLL = 5.0
"""Seconds between two looks."""
WORKING = 15 * 60
"""Seconds without a keystroke after which a terminal is not taken for somebody at work."""
ROOM = 64 * 2**20
"""Bytes that have to be free for an account, its key and a report."""
INODES = 100
"""Files that there has to be room for."""

_CLOUD_BUSY = ("running", "not run", "not started")


@dataclass(frozen=True)
class Person:
    """A terminal that is open on the server.

    Args:
        user: whose it is.
        terminal: "pts/0", "tty1".
        idle: seconds since it was last used.
        origin: the address it was opened from, or "" at the console.
        ours: whether it was opened from where we come from, by the account that we use.
    """

    user: str
    terminal: str
    idle: int
    origin: str
    ours: bool

    @property
    def at_work(self) -> bool:
        """Whether somebody else sits there."""
        return not self.ours and self.idle < WORKING

    def __str__(self) -> str:
        place = f"from {self.origin}" if self.origin else "at the console"
        return f"{self.user} {place} on {self.terminal}, used {self.idle // 60} min ago"


@dataclass(frozen=True)
class Readiness:
    """What a server is busy with.

    Args:
        cloud_init: what ``cloud-init status`` says ("running", "done", "error"), "" without it.
        cloud_detail: what it says it does, or what failed.
        boot: what ``systemctl is-system-running`` says.
        jobs: units whose start systemd waits for.
        packages: processes that hold the locks of apt and dpkg, "PID COMMAND".
        people: open terminals.
        full: what keeps a small file from being written: "/var: no inode is free".
    """

    cloud_init: str
    cloud_detail: str
    boot: str
    jobs: tuple[str, ...]
    packages: tuple[str, ...]
    people: tuple[Person, ...]
    full: tuple[str, ...]

    @property
    def busy(self) -> str:
        """What ends by itself and is to be waited for, in a few words; "" for nothing."""
        booting = self.boot in ("initializing", "starting")
        if self.cloud_init == "running" or (self.cloud_init in _CLOUD_BUSY and booting):
            return "cloud-init"
        if self.packages:
            return f"another package manager ({self.packages[0][:80]})"
        return "the boot" if booting else ""


def readiness(session: Session) -> Readiness:
    """Look once; nothing is changed.

    Raises:
        HostError: the server did not say.
    """
    answer = session.run(read("onboard/ready.sh"))
    try:
        return parse(answer.out)
    except ValueError as error:
        found = f"an answer that makes no sense: {error}"
        raise unknown(session.host, found, "look at the host") from error


def parse(lines: list[str]) -> Readiness:
    """Return what the script ``files/onboard/ready.sh`` printed.

    Raises:
        ValueError: it was cut off, or is not its output.
    """
    parts = sections(lines)
    if "end" not in parts:
        raise ValueError("its end is missing")
    cloud = "\n".join(parts["cloud-init"])
    status = re.search(r"^status: (.+)$", cloud, re.MULTILINE)
    return Readiness(
        cloud_init=status.group(1).strip() if status else "",
        cloud_detail=" ".join(" ".join(parts["cloud-init"]).partition("detail:")[2].split())[:300],
        boot=" ".join(parts["boot"]),
        jobs=tuple(parts["jobs"]),
        packages=tuple(line.strip() for line in parts["packages"]),
        people=tuple(map(_person, parts["people"])),
        full=tuple(filter(None, map(_full, parts["room"]))),
    )


def problems(name: str, now: Readiness) -> list[Problem]:
    """Return everything that stands in the way of work on the server at this moment."""
    found = [_at_work(name, person) for person in now.people if person.at_work]
    if now.full:
        found.append(
            Problem(
                name,
                "Room for a small file",
                "; ".join(now.full),
                f"{ROOM // 2**20} MiB and {INODES} inodes free on a disk that can be written",
                "make room (see df -h, df -i, journalctl --disk-usage; apt-get clean frees "
                "downloads), or mend the disk",
            )
        )
    if now.busy == "cloud-init":
        found.append(
            Problem(
                name,
                "cloud-init",
                f"still {now.cloud_init}" + (f": {now.cloud_detail}" if now.cloud_detail else ""),
                "that it has finished: it changes accounts, packages and sshd",
                "see what keeps it (cloud-init status --long, /var/log/cloud-init-output.log), "
                "and run again",
            )
        )
    if now.packages:
        found.append(
            Problem(
                name,
                "apt's lock",
                f"held by {', '.join(f'process {holder[:120]}' for holder in now.packages)}",
                "no other package manager at work",
                "wait until it has finished (unattended-upgrades does by itself), and run again",
            )
        )
    if now.busy == "the boot":
        waits = f", waiting for {', '.join(now.jobs)}" if now.jobs else ""
        found.append(
            Problem(
                name,
                "The boot",
                f"not finished (systemd says {now.boot}){waits}",
                "a server that has booted",
                "see what it waits for (systemctl list-jobs), and run again",
            )
        )
    return found


def wait_until_ready(
    session: Session,
    *,
    seconds: float = 600,
    told: Callable[[str], None] = lambda _: None,
) -> list[Problem]:
    """Wait for what ends by itself, and return what does not.

    Cloud-init, the boot and another package manager are waited for; somebody at work and a full
    disk are problems at once.

    Args:
        session: a session as root.
        seconds: how long to wait at most; 0 looks once.
        told: called with a sentence whenever something else is waited for.

    Raises:
        HostError: the server did not say.
    """
    deadline = time.monotonic() + seconds
    pause, before = threading.Event(), ""
    while True:
        now = readiness(session)
        found = problems(session.host.name, now)
        hopeless = now.full or any(person.at_work for person in now.people)
        left = deadline - time.monotonic()
        if not now.busy or hopeless or left <= 0:
            return found
        if now.busy != before:
            told(f"waiting for {now.busy}, {left:.0f} s at most")
            before = now.busy
        pause.wait(min(POLL, left))


def _at_work(name: str, person: Person) -> Problem:
    return Problem(
        name,
        "Others at work",
        str(person),
        f"nobody at a terminal in the last {WORKING // 60} minutes",
        f"agree with {person.user} and ask them to log out, and run again",
    )


def _person(line: str) -> Person:
    user, terminal, idle, origin, ours = line.split("\t")
    return Person(user, terminal, max(int(idle), 0), origin, ours == "1")


def _full(line: str) -> str:
    path, what, left = line.split("\t")
    if what == "read-only":
        return f"{path} is mounted read-only"
    if what == "inodes":
        return f"{path}: {left} inodes free" if left != "any" and int(left) < INODES else ""
    return f"{path}: {int(left) // 2**20} MiB free" if int(left) < ROOM else ""
