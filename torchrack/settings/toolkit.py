"""Settings of the ``toolkit`` stage: NVIDIA Container Toolkit and CDI."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from torchrack.settings.section import Section


class Toolkit(Section):
    """The NVIDIA Container Toolkit: four packages at one version."""

    stage: ClassVar[str] = "toolkit"

    version: str = Field(
        "auto",
        pattern=r"^(auto|\d+\.\d+\.\d+-\d+)$",
        description='"auto" or the version of the four packages; the lock file has the exact one',
    )
    repository: str = Field(
        "https://nvidia.github.io",
        pattern=r"^https?://[^/\s]+",
        description="base URI of the toolkit's repository or of a mirror with the same layout",
    )
    key_file: str | None = Field(
        None, description="the repository's public key (ASCII armoured) on the controller"
    )
    key_fingerprint: str = Field(
        "C95B321B61E88C1809C4F759DDCAE044F796ECB0",
        pattern=r"^[0-9A-F]{40}$",
        description="fingerprint that the repository's key must have",
    )
