"""The Docker engine that runs, and what its next start would make of it."""

from __future__ import annotations

from collections.abc import Iterator

from torchrack.docker.daemon_json import NotAnObjectError
from torchrack.docker.engine import configuration
from torchrack.docker.start import after_merge, obstacles
from torchrack.errors import Problem
from torchrack.preflight.subject import Subject


def starts(subject: Subject) -> Iterator[Problem]:
    """Docker starts with our keys in daemon.json, and has the data that it has now."""
    now, settings = subject.facts.daemon, subject.settings.docker
    if now is None:
        return
    try:
        config = after_merge(now, "docker", configuration(settings))
    except NotAnObjectError:
        return  # the stage says where the file is wrong, and does not touch it
    yield from obstacles(subject.host, now, config, settings.version)
