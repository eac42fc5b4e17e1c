"""Settings of the ``docker`` stage: engine, version, daemon.json."""

from __future__ import annotations

import ipaddress
from typing import ClassVar, Literal

from pydantic import Field, JsonValue, field_validator

from torchrack.settings.section import Section
from torchrack.settings.units import Bytes

NOT_EXTRA = {
    "hosts": "the unit's -H flag says where dockerd listens; a TCP socket is root for whoever asks",
    "containerd": "the unit's --containerd flag says it",
    "log-driver": "it has a field of its own: log_driver",
    "log-opts": "they have fields of their own: log_max_size, log_max_file",
    "live-restore": "it has a field of its own: live_restore",
    "no-new-privileges": "it has a field of its own: no_new_privileges",
    "default-address-pools": "it has a field of its own: address_pools",
}


class Docker(Section):
    """The Docker engine and the keys of daemon.json that Torchrack owns."""

    stage: ClassVar[str] = "docker"

    source: Literal["docker-ce", "distro"] = Field(
        "docker-ce", description="docker-ce from Docker's repository, or the distribution's"
    )
    version: str = Field(
        "auto",
        pattern=r"^(auto|(\d+:)?\d+[\w.+~:-]*\*?)$",
        description='"auto", or the version as apt names it, where a * at the end stands for any '
        "suffix; the lock file has the exact one",
    )
    containerd_version: str = Field(
        "auto", description='containerd.io\'s (docker-ce only): "auto", or a version as above'
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
    log_max_size: Bytes = Field(
        50 * 2**20, ge=2**10, description="size of one log file (not with journald), bytes"
    )
    log_max_file: int = Field(
        5, ge=1, description="log files kept a container (not with journald), count"
    )
    live_restore: bool = Field(True, description="containers survive a restart of the daemon")
    no_new_privileges: bool = Field(True, description="default for containers")
    nofile: int = Field(1048576, ge=1024, description="default limit of open files, count")
    address_pools: list[str] = Field(
        default_factory=list,
        description='networks to take /24 subnets from, as "10.200.0.0/16"; empty: Docker\'s own',
    )
    extra: dict[str, JsonValue] = Field(
        default_factory=dict, description="further keys of daemon.json, owned by this fleet"
    )

    @field_validator("address_pools")
    @classmethod
    def _pools_are_networks(cls, value: list[str]) -> list[str]:
        networks = [ipaddress.IPv4Network(pool) for pool in value]
        for network in networks:
            if network.prefixlen > 24:
                raise ValueError(f"{network} has no room for a /24; name a larger network")
        for index, network in enumerate(networks):
            if any(network.overlaps(other) for other in networks[:index]):
                raise ValueError(f"{network} overlaps with another one of the list")
        return value

    @field_validator("extra")
    @classmethod
    def _extra_is_ours_to_set(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for key in value:
            if key in NOT_EXTRA:
                raise ValueError(f"without {key}: {NOT_EXTRA[key]}")
        return value
