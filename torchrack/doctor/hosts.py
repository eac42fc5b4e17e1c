"""Whether hosts can be reached from here, and whether the clocks agree."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torchrack.doctor.model import Checked, lacking, wrong
from torchrack.errors import Problem
from torchrack.inventory import FleetHost
from torchrack.remote import Session, across, unknown

SECONDS = 60
"""How long all hosts together may take to answer."""


@dataclass(frozen=True)
class Clock:
    """What a host's clock said.

    Args:
        offset: by how much it is ahead of this machine's, seconds.
        doubt: by how much that can be wrong, seconds: half of the time that the answer took.
    """

    offset: float
    doubt: float


def checks(
    hosts: Sequence[FleetHost], answered: Callable[[], None] = lambda: None
) -> Iterator[Checked]:
    """Log in to each host as a deploy would, and ask for the time; nothing on it changes.

    Args:
        hosts: of the inventory.
        answered: called after each host.
    """
    found = across(hosts, _clock, answered, seconds=SECONDS)
    clocks = {name: value for name, value in found.items() if isinstance(value, Clock)}
    yield from (wrong(value) for value in found.values() if isinstance(value, Problem))
    if clocks:
        yield Checked("Logins", f"{len(clocks)} of {len(hosts)} host(s), with sudo")
        limits = {host.name: host.settings.preflight.max_clock_offset for host in hosts}
        yield from compared(clocks, limits)
    elif hosts:
        needed, fix = "a host to compare it with", "mend the logins"
        yield lacking("Clock", "unknown", needed, fix)


def compared(clocks: Mapping[str, Clock], limits: Mapping[str, int]) -> Iterator[Checked]:
    """Say whose clock is wrong: this machine's, where most hosts agree that it is.

    Args:
        clocks: host to what its clock said; at least one.
        limits: host to the largest difference that its preflight takes, seconds.
    """
    middle = statistics.median(clock.offset for clock in clocks.values())
    doubt = min(clock.doubt for clock in clocks.values())
    limit = min(limits[name] for name in clocks)
    ours = len(clocks) > 1 and abs(middle) - doubt > limit
    if ours:
        side = "behind" if middle > 0 else "ahead of"
        found = f"{abs(middle):.1f} s {side} the clocks of {len(clocks)} hosts (in the middle)"
        fix = "timedatectl set-ntp true, on this machine"
        yield lacking("Clock", found, f"at most {limit} s", fix)
    own = {name: clock.offset - (middle if ours else 0) for name, clock in clocks.items()}
    far = [name for name in clocks if abs(own[name]) - clocks[name].doubt > limits[name]]
    for name in far:
        found = f"{abs(own[name]):.1f} s {'ahead' if own[name] > 0 else 'behind'}"
        alone = "" if len(clocks) > 1 else ", or here: see which of the two is wrong"
        fix = f"timedatectl set-ntp true, on {name}{alone}"
        yield wrong(Problem(name, "Clock", found, f"at most {limits[name]} s", fix))
    if not (ours or far):
        most = max(abs(offset) for offset in own.values())
        yield Checked("Clock", f"{most:.1f} s at most from {len(clocks)} host(s)")


def _clock(session: Session) -> Clock:
    asked = time.time()
    answer = session.run("date +%s.%N", seconds=20)
    answered = time.time()
    try:
        now = float(answer.out[-1])
    except (IndexError, ValueError):
        said = " ".join(answer.out) or "nothing"
        raise unknown(session.host, f"{said} in answer to date", "look at it") from None
    return Clock(now - (asked + answered) / 2, (answered - asked) / 2)
