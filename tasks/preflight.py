"""Stage ``preflight``."""

from __future__ import annotations

from pyinfra.api import deploy
from pyinfra.context import ctx_state

from torchrack.context import current_host
from torchrack.preflight.fleet import check_fleet


@deploy("preflight")
def check_hosts() -> None:
    """Every host of the run can take what the later stages do to it; nothing was changed.

    All problems of all hosts are shown in one table; with any the run ends before the first change.
    """
    check_fleet(ctx_state.get(), current_host())
