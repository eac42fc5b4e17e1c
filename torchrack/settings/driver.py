"""Settings of the ``driver`` stage: which NVIDIA driver, from where."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from torchrack.settings.section import Section
from torchrack.settings.units import Seconds


class Driver(Section):
    """The NVIDIA driver and the repository it comes from."""

    stage: ClassVar[str] = "driver"

    version: str = Field(
        "auto",
        pattern=r"^(auto|\d{3}|\d+\.\d+(\.\d+)?)$",
        description='"auto", a branch ("580") or an exact version; the lock file has the exact one',
    )
    flavour: Literal["auto", "open", "proprietary"] = Field(
        "auto", description="kernel module flavour; auto chooses by GPU generation"
    )
    components: Literal["compute", "full"] = Field(
        "compute", description="compute leaves out what only a display needs; full brings it"
    )
    repository: str = Field(
        "https://developer.download.nvidia.com",
        pattern=r"^https?://[^/\s]+",
        description="base URI of NVIDIA's CUDA repositories or of a mirror with the same layout",
    )
    key_file: str | None = Field(
        None, description="the repository's public key (ASCII armoured) on the controller"
    )
    key_fingerprint: str = Field(
        "EB693B3035CD5710E231E123A4B469963BF863CC",
        pattern=r"^[0-9A-F]{40}$",
        description="fingerprint that the repository's key must have",
    )
    persistence: bool = Field(True, description="whether nvidia-persistenced keeps GPUs ready")
    allow_reboot: bool = Field(
        True, description="whether a host may reboot when the loaded module is not the wanted one"
    )
    reboot_timeout: Seconds = Field(
        900, description="how long a host may take to come back from a reboot, seconds"
    )
    on_busy_gpu: Literal["refuse", "force"] = Field(
        "refuse", description="what to do when GPU processes run and the driver has to change"
    )
