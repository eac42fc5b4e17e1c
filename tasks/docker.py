"""Stage ``docker``: the engine, its configuration, and its service."""

from __future__ import annotations

from pyinfra.api import deploy

from torchrack.context import locked_packages, settings
from torchrack.docker.engine import PACKAGES, configuration, repository
from torchrack.operations import daemon, docker
from torchrack.operations import repository as apt_repository
from torchrack.survey import survey


@deploy("docker")
def install() -> None:
    """Docker runs at its pinned and held version, with our keys in daemon.json, at boot too.

    Keys of daemon.json that are not ours are as they were.
    """
    wanted = settings().docker
    declared = repository(wanted, survey())
    if wanted.source == "docker-ce":
        apt_repository.repository(
            name="Trust Docker's repository and its one key",
            declared=declared,
            key_file=wanted.key_file,
        )
    docker.check(name="Check that the engine can be had", settings=wanted)
    # Before the package, so that the daemon's first start is with it.
    daemon.daemon_json(
        name="Merge our keys into daemon.json", owner="docker", declared=configuration(wanted)
    )
    docker.engine(
        name="Install and hold the engine",
        versions={n: v for n, v in locked_packages().items() if n in PACKAGES},
        sources=(declared.uri,) if wanted.source == "docker-ce" else (),
    )
    daemon.running(name="Run Docker with its daemon.json")
