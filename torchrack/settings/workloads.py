"""Settings of the ``workloads`` stage: containers under systemd."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from torchrack.settings.secret import Secret
from torchrack.settings.section import Section
from torchrack.settings.units import Bytes, Seconds

NAME = r"^[a-z][a-z0-9-]{0,40}$"


class Port(Section):
    """A published port; bound to the loopback address unless an address is named."""

    container: int = Field(ge=1, le=65535, description="port in the container")
    host: int = Field(ge=1, le=65535, description="port on the host")
    address: str = Field(
        "127.0.0.1", description="the host's address to listen on; 0.0.0.0 needs public=True"
    )
    public: bool = Field(False, description="says that listening to the world is meant")


class Mount(Section):
    """A named volume or a bind mount."""

    source: str = Field(description="a volume's name, or an absolute path on the host")
    target: str = Field(pattern=r"^/", description="absolute path in the container")
    read_only: bool = Field(False, description="whether the container may only read it")


class Workload(Section):
    """A container that systemd keeps running."""

    name: str = Field(pattern=NAME, description="name of the container and of its unit")
    kind: Literal["jupyter", "ssh", "container"] = Field(description="what runs in it")
    image: str = Field(description="a name from images.catalog")
    command: list[str] = Field(
        default_factory=list, description="command and arguments (kind container only)"
    )
    gpus: Literal["all", "none"] | list[str] = Field(
        "all", description='CDI names: "all", "none", or a list of indices or UUIDs'
    )
    user: str = Field("1000:1000", pattern=r"^\d+:\d+$", description="uid:gid in the container")
    environment: dict[str, str] = Field(
        default_factory=dict, description="environment variables; never secrets"
    )
    mounts: list[Mount] = Field(default_factory=list, description="volumes and bind mounts")
    ports: list[Port] = Field(default_factory=list, description="published ports")
    token: Secret | None = Field(
        None, description="Jupyter's token; unset: made on the host, readable by root there"
    )
    authorized_keys: list[str] = Field(
        default_factory=list, description="public keys that may log in (kind ssh)"
    )
    memory: Bytes = Field(8 * 2**30, ge=64 * 2**20, description="memory limit, bytes")
    cpus: float = Field(2.0, gt=0, description="CPU limit, cores")
    cpuset: str | None = Field(
        None, pattern=r"^\d+(-\d+)?(,\d+(-\d+)?)*$", description='CPU list, as "0-7,16-23"'
    )
    pids: int = Field(4096, ge=16, description="process limit, count")
    shm_size: Bytes = Field(2**30, ge=2**20, description="size of /dev/shm, bytes")
    memlock: int = Field(-1, ge=-1, description="locked memory limit, bytes; -1 is unlimited")
    stack: Bytes = Field(64 * 2**20, description="stack limit, bytes")
    restart: Literal["always", "on-failure", "no"] = Field(
        "always", description="when systemd starts it again; a training job wants on-failure"
    )
    stop_timeout: Seconds = Field(
        120, description="time to stop cleanly, long enough for a checkpoint, seconds"
    )
    start_timeout: Seconds = Field(
        120, description="time until it must be healthy after a start, seconds"
    )


class Workloads(Section):
    """The containers of a host."""

    stage: ClassVar[str] = "workloads"

    containers: list[Workload] = Field(default_factory=list, description="the declared workloads")
