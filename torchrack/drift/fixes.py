"""The command that mends a finding."""

from __future__ import annotations

from torchrack.lock.file import shown


def deploy(inventory: str, host: str, stage: str) -> str:
    """Return the command that runs one stage on one host.

    Args:
        inventory: path of the inventory.
        host: the host's name.
        stage: the stage's name.
    """
    stages = stage if stage == "stamp" else f"{stage},stamp"
    return f"pyinfra {shown(inventory)} deploy.py --limit {host} --data only={stages}"
