"""After a check: find out what changed, and tell those who want to know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torchrack.drift.alerts import state
from torchrack.drift.alerts.send import deliver
from torchrack.drift.alerts.targets import Target
from torchrack.drift.waivers import Waived


def notify(path: Path, targets: Sequence[Target], checked: Waived) -> list[str]:
    """Tell each target of what changed since it was last told, and of what still waits for it.

    What is to be told is written down before it is sent: a delivery that fails, or a process that
    is killed, loses nothing.

    Args:
        path: the file that keeps what was told.
        targets: the fleet's.
        checked: the check.

    Returns:
        What could not be delivered or kept, and why.
    """
    known, message = state.change(state.read(path), checked)
    wants = {target.key: target.severity for target in targets}
    try:
        if message is not None:
            known = state.queue(known, message, wants)
            state.write(path, known)
        left, errors = deliver(known, targets)
        if left != known:
            state.write(path, left)
    except OSError as error:
        return [f"what was told is not kept: {path}: {error.strerror}"]
    return errors
