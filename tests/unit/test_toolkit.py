"""The container toolkit's repository."""

from __future__ import annotations

import pytest

from torchrack.apt.repository import second_sources
from torchrack.facts.survey import Survey
from torchrack.settings.toolkit import Toolkit
from torchrack.toolkit import repository

HOST = Survey("ubuntu", "24.04", "noble", "arm64", "6.8", "admin")


def test_layout_is_flat_and_by_architecture() -> None:
    declared = repository(Toolkit(), HOST)
    assert declared.uri == "https://nvidia.github.io/libnvidia-container/stable/deb/arm64/"
    assert declared.key_url == "https://nvidia.github.io/libnvidia-container/gpgkey"


@pytest.mark.parametrize(
    "line",
    [
        "deb [signed-by=/x.gpg] https://nvidia.github.io/libnvidia-container/stable/deb/amd64 /",
        "deb https://nvidia.github.io/nvidia-docker/ubuntu22.04/amd64 /",
        "deb https://nvidia.github.io/nvidia-container-runtime/ubuntu20.04/amd64 /",
    ],
)
def test_lists_of_older_guides_are_second_sources(line: str) -> None:
    path = "/etc/apt/sources.list.d/nvidia.list"
    assert second_sources(repository(Toolkit(), HOST), [f"{path}:{line}"]) == [path]
