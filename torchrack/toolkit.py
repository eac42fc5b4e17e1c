"""The NVIDIA Container Toolkit's repository and packages."""

from __future__ import annotations

from torchrack.apt.repository import Repository
from torchrack.facts.survey import Survey
from torchrack.settings.toolkit import Toolkit

PACKAGES = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)
"""All four: they depend on each other with >= in part, so that naming one leaves the rest free."""


def repository(settings: Toolkit, survey: Survey) -> Repository:
    """Return the toolkit's repository (flat; NVIDIA/cloud-native-docs, installation guide).

    The lists that older guides made name the same packages with another key, which apt refuses
    ("Conflicting values set for option Signed-By").
    """
    base = f"{settings.repository.rstrip('/')}/libnvidia-container"
    return Repository(
        name="nvidia-toolkit",
        title="the NVIDIA Container Toolkit's repository",
        uri=f"{base}/stable/deb/{survey.architecture}/",
        suite="/",
        components=(),
        architecture=survey.architecture,
        key_url=f"{base}/gpgkey",
        key_fingerprint=settings.key_fingerprint,
        conflicts=r"/libnvidia-container/|/nvidia-container-runtime/|/nvidia-docker/",
    )
