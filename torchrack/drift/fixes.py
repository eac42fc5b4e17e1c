"""The command that mends a finding."""

from __future__ import annotations

from torchrack.lock.file import shown


def deploy(inventory: str, host: str, stage: str = "stamp") -> str:
    """Return the command that runs one stage on one host, and writes down that it did.

    The stamp alone is written by a run of all stages: it says what they declared.

    Args:
        inventory: path of the inventory.
        host: the host's name.
        stage: the stage's name.
    """
    run = f"torchrack deploy {shown(inventory)} --limit {host}"
    return run if stage == "stamp" else f"{run} --only {stage},stamp"
