"""Stage ``stamp``: what was deployed is written down on the host."""

from __future__ import annotations

from pathlib import Path

from pyinfra import state
from pyinfra.api import deploy

from torchrack.context import settings
from torchrack.operations import stamp


@deploy("stamp")
def record() -> None:
    """/etc/torchrack/deployed.json says what runs here, since when, and by whom.

    Commit of the deploy repository, hash of the settings, versions and images. It is written when
    a run changed something, so its time is that of the last change.
    """
    deploy_file = Path(state.cwd or ".") / (state.current_deploy_filename or "deploy.py")
    stamp.deployed(
        name=stamp.NAME,
        settings=settings(),
        repository=deploy_file.resolve().parent,
    )
