"""Volumes and paths that workloads mount."""

from __future__ import annotations

from collections.abc import Iterator

from torchrack.errors import Problem
from torchrack.preflight.subject import Subject
from torchrack.workloads import mounts
from torchrack.workloads.volumes import problems


def volumes(subject: Subject) -> Iterator[Problem]:
    """No volume of a declared name is somebody else's, unless the settings say that it is meant."""
    if subject.facts.volumes is not None:
        workloads = subject.settings.workloads.containers
        yield from problems(subject.host, workloads, subject.facts.volumes)


def shares(subject: Subject) -> Iterator[Problem]:
    """What a workload mounts is mounted on the host, unless its container runs already."""
    running = {container.name for container in subject.facts.containers if container.workload}
    for workload in subject.settings.workloads.containers:
        if workload.name not in running and not workload.is_job:
            yield from mounts.problems(subject.host, workload, subject.facts.away)
