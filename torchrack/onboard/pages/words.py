"""Numbers and outcomes in words, the same on all pages."""

from __future__ import annotations

from torchrack.onboard.model import StepState, Verdict

VERDICTS: dict[Verdict, str] = {
    "ready": "ready",
    "not_ready": "not ready",
    "stopped": "stopped where it was asked to",
    "planned": "nothing in the way (dry run)",
}
STATES: dict[StepState, str] = {
    "done": "done",
    "already": "was so already",
    "failed": "failed",
    "planned": "would be done",
    "left": "not come to",
}
UNTOLD = "not counted"


def duration(seconds: float) -> str:
    """Return a time as people say it ("0.4 s", "3 min 12 s")."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def disk_size(count: int | None) -> str:
    """Return bytes as disks are sold ("3.84 TB")."""
    if count is None:
        return "unknown"
    unit, divisor = ("TB", 10**12) if count >= 10**12 else ("GB", 10**9)
    return f"{count / divisor:.3g} {unit}"


def memory_size(count: int | None) -> str:
    """Return bytes as memory is counted ("1007 GiB")."""
    return "unknown" if count is None else f"{count / 2**30:.0f} GiB"


def speed(megabits: int | None) -> str:
    """Return megabits a second as ports are named ("25 Gbit/s")."""
    if megabits is None:
        return "not told"
    return f"{megabits / 1000:g} Gbit/s" if megabits >= 1000 else f"{megabits} Mbit/s"


def number(count: int | None) -> str:
    """Return a count, or that there is none."""
    return UNTOLD if count is None else str(count)
