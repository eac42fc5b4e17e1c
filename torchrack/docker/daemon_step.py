"""What a Docker daemon needs so that it runs with the configuration on disk."""

from __future__ import annotations

from typing import Literal

from torchrack.docker.daemon_json import NotAnObjectError, parse, step
from torchrack.facts.docker import DaemonState

Step = Literal["none", "start", "reload", "restart"]


def runs(now: DaemonState) -> bool:
    """Whether the daemon is up."""
    return now.active in ("active", "reloading")


def has_taken(now: DaemonState) -> bool:
    """Whether the running daemon has read daemon.json as it now stands (or lacks) on disk."""
    if not runs(now):
        return False
    if now.taken is not None:
        return now.taken == now.daemon_json
    return now.changed <= now.started


def next_step(now: DaemonState) -> Step:
    """Say what is to be done.

    A daemon of which we know what it has read is judged by that; of any other one the file's clock
    is compared with its start, so that a run which was killed in between is mended by the next.
    """
    if not runs(now):
        return "start"
    if now.needs_reload:
        return "restart"
    if now.taken is None:
        return "none" if now.changed <= now.started else "restart"
    try:
        return step(parse(now.taken), parse(now.daemon_json or ""))
    except NotAnObjectError:
        return "restart"
