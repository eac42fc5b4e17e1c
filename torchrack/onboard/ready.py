"""Whether a server is left alone: what has to be waited for, and what stands in the way."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from torchrack.errors import HostError, Problem
from torchrack.facts.sshd import sections
from torchrack.onboard.model import Newcomer
from torchrack.operations.files import read
from torchrack.remote import Session

POLL = 5
"""Seconds between two looks."""
WORKING = 15 * 60
"""Seconds without a keystroke after which a terminal is not taken for somebody at work."""
ROOM = 64 * 2**20
"""Bytes that have to be free for an account, a key and a report."""
_END = "end"


@dataclass(frozen=True)
class Person:
    """A terminal that is open on the server.

    Args:
        user: whose it is.
        terminal: "pts/0", "tty1".
        idle: seconds since the last keystroke or output.
        origin: the address it was opened from, or "" at the console.
        ours: whether it was opened from where we come from, by the same account.
    """

    user: str
    terminal: str
    idle: int
    origin: str
    ours: bool


@dataclass(frozen=True)
class Readiness:
    """What a server is busy with.

    Args:
        cloud_init: what ``cloud-init status`` says ("running", "done", "error"), "" without it.
        cloud_error: its errors, in its own words.
        booting: whether systemd has not started everything yet.
        packages: processes that hold the locks of apt and dpkg, "PID COMMAND".
        people: open terminals.
        onboarding: who onboards it right now, in the words of :func:`held`, or "".
        full: file systems that can't take a small file: path to what is wrong.
    """

    cloud_init: str
    cloud_error: str
    booting: bool
    packages: tuple[str, ...]
    people: tuple[Person, ...]
    onboarding: str
    full: dict[str, str]


def readiness(session: Session) -> Readiness:
    """Look once; nothing is changed.

    Raises:
        HostError: the server did not say.
    """
    raise NotImplementedError


def wait_until_ready(
    session: Session,
    *,
    seconds: float = 600,
    told: Callable[[str], None] = lambda _: None,
) -> list[Problem]:
    """Wait for what ends by itself, and return what does not.

    Cloud-init, the boot and another apt are waited for; a person at work, another onboarding and a
    full disk are problems at once.

    Args:
        session: a session as root.
        seconds: how long to wait at most; 0 looks once.
        told: called with a sentence whenever what is waited for changes.

    Raises:
        HostError: the server did not say.
    """
    raise NotImplementedError
