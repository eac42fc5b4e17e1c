"""Settings of the ``preflight`` stage: what a host must offer before the first change."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from torchrack.settings.section import Section
from torchrack.settings.units import Bytes, Seconds


class Preflight(Section):
    """Limits that the checks before the first change hold a host against."""

    stage: ClassVar[str] = "preflight"

    min_free_disk: Bytes = Field(
        40 * 2**30, description="free space needed under /var/lib before images are pulled, bytes"
    )
    max_clock_offset: Seconds = Field(
        30, description="largest difference to the controller's clock, seconds"
    )
    apt_lock_timeout: Seconds = Field(
        120, description="how long to wait for another apt or dpkg to finish, seconds"
    )
    check_reachability: bool = Field(
        True, description="whether mirrors and the registry are contacted from the host"
    )
