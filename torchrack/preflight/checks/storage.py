"""Volumes that workloads mount."""

from __future__ import annotations

from collections.abc import Iterator

from torchrack.errors import Problem
from torchrack.preflight.subject import Subject
from torchrack.workloads.volumes import problems


def volumes(subject: Subject) -> Iterator[Problem]:
    """No volume of a declared name is somebody else's, unless the settings say that it is meant."""
    if subject.facts.volumes is not None:
        workloads = subject.settings.workloads.containers
        yield from problems(subject.host, workloads, subject.facts.volumes)
