"""Stage ``docker``: the engine, its configuration, and its service."""

from __future__ import annotations

from pyinfra.api import deploy

from torchrack.context import settings
from torchrack.docker.engine import configuration, repository
from torchrack.operations import daemon, docker
from torchrack.operations import repository as apt_repository
from torchrack.survey import survey


@deploy("docker")
def install() -> None:
    """Docker runs at its pinned and held version, with our keys in daemon.json, at boot too.

    Keys of daemon.json that are not ours are as they were.
    """
    wanted = settings().docker
    if wanted.source == "docker-ce":
        apt_repository.repository(
            name="Trust Docker's repository and its one key",
            declared=repository(wanted, survey()),
            key_file=wanted.key_file,
        )
    docker.check(name="Check that the engine can be had", settings=wanted)
    # Before the package, so that the daemon's first start is with it.
    daemon.daemon_json(
        name="Merge our keys into daemon.json", owner="docker", declared=configuration(wanted)
    )
    docker.engine(name=f"Install and hold Docker {wanted.version}", settings=wanted)
    daemon.running(name="Run Docker with its daemon.json")
