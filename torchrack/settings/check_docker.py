"""Problems of the ``docker`` section that only show when all its fields are merged."""

from __future__ import annotations

import re
from collections.abc import Iterator

from torchrack.docker.version import OLDEST, major
from torchrack.errors import Problem
from torchrack.settings.model import Settings

_EXAMPLES = {"docker-ce": "5:29.6.1*", "distro": "26.1.5*"}


def docker_version(host: str, settings: Settings) -> Iterator[Problem]:
    """Yield the problems of a version that the source can't have or that is too old.

    Args:
        host: the host's name, for the messages.
        settings: its merged settings.
    """
    docker = settings.docker
    if docker.version == "auto":
        return
    where = docker.where("version") or docker.where("source") or host
    # Docker's own packages have the epoch 5, the distributions' have none.
    if (docker.source == "docker-ce") != bool(re.match(r"\d+:", docker.version)):
        yield Problem(
            where,
            "docker.version",
            repr(docker.version),
            f'a version of docker.source = "{docker.source}", as "{_EXAMPLES[docker.source]}"',
            "name one that apt-cache madison shows on the host",
        )
    if major(docker.version) < OLDEST:
        yield Problem(
            where,
            "docker.version",
            repr(docker.version),
            f"version {OLDEST} or newer, which knows CDI devices",
            "choose a newer one",
        )
