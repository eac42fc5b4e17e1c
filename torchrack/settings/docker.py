"""Settings of the ``docker`` stage: engine, version, daemon.json."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from torchrack.settings.section import Section
from torchrack.settings.units import Bytes


class Docker(Section):
    """The Docker engine and the keys of daemon.json that Torchrack owns."""

    stage: ClassVar[str] = "docker"

    source: Literal["docker-ce", "distro"] = Field(
        "docker-ce", description="docker-ce from Docker's repository, or the distribution's"
    )
    version: str = Field(
        "5:29.6.1*",
        description="engine version as apt names it; a * at the end stands for any suffix",
    )
    containerd_version: str | None = Field(
        "2.2.6-1*", description="containerd.io's version (docker-ce only); unset leaves it to apt"
    )
    repository: str = Field(
        "https://download.docker.com",
        pattern=r"^https?://[^/\s]+",
        description="base URI of Docker's repositories or of a mirror with the same layout",
    )
    key_file: str | None = Field(
        None, description="the repository's public key (ASCII armoured) on the controller"
    )
    key_fingerprint: str = Field(
        "9DC858229FC7DD38854AE2D88D81803C0EBFCD88",
        pattern=r"^[0-9A-F]{40}$",
        description="fingerprint that the repository's key must have",
    )
    log_driver: Literal["local", "json-file", "journald"] = Field(
        "local", description="default log driver of containers"
    )
    log_max_size: Bytes = Field(50 * 2**20, description="size of one log file, bytes")
    log_max_file: int = Field(5, ge=1, description="log files kept a container, count")
    live_restore: bool = Field(True, description="containers survive a restart of the daemon")
    no_new_privileges: bool = Field(True, description="default for containers")
    nofile: int = Field(1048576, ge=1024, description="default limit of open files, count")
    address_pools: list[str] = Field(
        default_factory=list,
        description='networks to take subnets from, as "10.200.0.0/16"; empty: Docker\'s own',
    )
    extra: dict[str, object] = Field(
        default_factory=dict, description="further keys of daemon.json, owned by this fleet"
    )
