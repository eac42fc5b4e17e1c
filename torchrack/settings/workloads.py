"""Settings of the ``workloads`` stage: containers under systemd."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    field_validator,
    model_serializer,
    model_validator,
)

from torchrack.settings.secret import Secret
from torchrack.settings.section import Section
from torchrack.settings.units import Bytes, Seconds

NAME = r"^[a-z][a-z0-9-]{1,40}$"
GPU = r"^(\d+(:\d+)?|(GPU|MIG)-[0-9A-Za-z-]+)$"
CAPABILITY = r"^([B-Z]|A[A-KM-Z])[A-Z_]+$"
"""Any single capability; ALL does not match."""
VOLUME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"
SECRET_NAME = re.compile(r"(^|_)(TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|API_?KEY|SECRET_KEY)$")
PUBLIC_KEY = r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-\S+|sk-\S+) [A-Za-z0-9+/=]+( .*)?$"
SENSITIVE = (
    *("bin", "boot", "dev", "etc", "lib", "lib64", "proc", "root/.ssh", "run", "sbin", "sys"),
    *("usr", "var/lib/containerd", "var/lib/docker", "var/lib/torchrack", "var/run"),
)
"""Directories of the host that no container may have mounted, nor anything in them."""
OWN_TARGETS = ("/run/torchrack",)
SERVED = {"jupyter": 8888, "ssh": 2222}
"""The port in the container that a kind listens on (the contract of the images)."""


def _is_whole(section: Section) -> bool:
    """Whether all fields are there; while problems are collected a wrong section has none."""
    return bool(section.__dict__)


class Port(Section):
    """A published port; bound to the loopback address unless an address is named."""

    container: int = Field(ge=1, le=65535, description="port in the container")
    host: int = Field(ge=1, le=65535, description="port on the host")
    address: str = Field(
        "127.0.0.1", description="the host's address to listen on; 0.0.0.0 needs public=True"
    )
    public: bool = Field(False, description="says that listening to the world is meant")

    @model_validator(mode="after")
    def _never_silently_public(self) -> Port:
        if not _is_whole(self):
            return self
        try:
            everywhere = ipaddress.ip_address(self.address).is_unspecified
        except ValueError:
            raise ValueError("address: an IP address of the host, as 127.0.0.1") from None
        if everywhere and not self.public:
            raise ValueError("public=True beside an address that listens to the world")
        return self


class Mount(Section):
    """A named volume or a bind mount."""

    source: str = Field(description="a volume's name, or an absolute path on the host")
    target: str = Field(pattern=r"^/[^,]*$", description="absolute path in the container")
    read_only: bool = Field(False, description="whether the container may only read it")
    external: bool = Field(
        False, description="says that the volume is there already, made by somebody else"
    )

    @model_serializer(mode="wrap")
    def _as_before(self, values: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave ``external`` out where it is not said: hosts keep hashes of these values."""
        plain: dict[str, Any] = values(self)
        if not plain.get("external"):
            plain.pop("external", None)
        return plain

    @model_validator(mode="after")
    def _external_is_a_volume(self) -> Mount:
        if _is_whole(self) and self.external and self.is_bind:
            raise ValueError("external for a volume alone: a path is taken as it is")
        return self

    @property
    def is_bind(self) -> bool:
        """Whether the source is a path on the host."""
        return self.source.startswith("/")

    @field_validator("source")
    @classmethod
    def _harmless(cls, source: str) -> str:
        if not source.startswith("/"):
            if not re.fullmatch(VOLUME, source):
                raise ValueError("a volume's name (letters, digits, _ . -) or an absolute path")
            return source
        inside = source.strip("/")
        if "," in source or "//" in source or ".." in source.split("/"):
            raise ValueError("a plain absolute path without commas, // and ..")
        if not inside or any(inside == s or inside.startswith(s + "/") for s in SENSITIVE):
            raise ValueError("a path of its own, not one that belongs to the system or to Docker")
        return source.rstrip("/")


class Workload(Section):
    """A container that systemd keeps running."""

    name: str = Field(pattern=NAME, description="name of the container and of its unit")
    kind: Literal["jupyter", "ssh", "container"] = Field(description="what runs in it")
    image: str = Field(description="a name from images.catalog")
    command: list[str] = Field(
        default_factory=list, description="command and arguments (kind container only)"
    )
    gpus: Literal["all", "none"] | list[Annotated[str, StringConstraints(pattern=GPU)]] = Field(
        "all", description='CDI names: "all", "none", or a list of indices or UUIDs'
    )
    user: str = Field("1000:1000", pattern=r"^\d+:\d+$", description="uid:gid in the container")
    capabilities: list[Annotated[str, StringConstraints(pattern=CAPABILITY)]] = Field(
        default_factory=list,
        description='Linux capabilities it keeps, as "CHOWN"; all others are dropped',
    )
    environment: dict[str, str] = Field(
        default_factory=dict, description="environment variables; never secrets"
    )
    mounts: list[Mount] = Field(default_factory=list, description="volumes and bind mounts")
    ports: list[Port] = Field(default_factory=list, description="published ports")
    token: Secret | None = Field(
        None,
        description="Jupyter's token, 32 characters or more; unset: made on the host, "
        "readable by root and the workload's user there",
    )
    authorized_keys: list[Annotated[str, StringConstraints(pattern=PUBLIC_KEY)]] = Field(
        default_factory=list, description="public keys that may log in (kind ssh)"
    )
    health_command: str | None = Field(
        None, description="shell command in the container that ends with 0 (kind container only)"
    )
    memory: Bytes = Field(8 * 2**30, ge=64 * 2**20, description="memory limit, bytes; no swap")
    cpus: float = Field(2.0, gt=0, description="CPU limit, cores")
    cpuset: str | None = Field(
        None, pattern=r"^\d+(-\d+)?(,\d+(-\d+)?)*$", description='CPU list, as "0-7,16-23"'
    )
    pids: int = Field(4096, ge=16, description="process limit, count")
    shm_size: Bytes = Field(2**30, ge=2**20, description="size of /dev/shm, bytes")
    memlock: Literal[-1] | Bytes = Field(
        -1, description="locked memory limit, bytes; -1 is unlimited"
    )
    stack: Bytes = Field(64 * 2**20, description="stack limit, bytes")
    nofile: int = Field(1048576, ge=1024, description="open files limit, count")
    restart: Literal["always", "on-failure", "no"] = Field(
        "always", description="when systemd starts it again; a training job wants on-failure"
    )
    stop_timeout: Seconds = Field(
        120, description="time to stop cleanly, long enough for a checkpoint, seconds"
    )
    start_timeout: Seconds = Field(
        120, ge=5, description="time until it must be healthy after a start, seconds"
    )

    @property
    def is_job(self) -> bool:
        """Whether it may come to an end: finished with 0 it is done and stays so."""
        return self.kind == "container" and self.restart != "always"

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Workload:
        for wrong in (*self._unfit_fields(), *self._unfit_mounts()) if _is_whole(self) else ():
            raise ValueError(wrong)
        return self

    def _unfit_fields(self) -> list[str]:
        wrong = []
        served = SERVED.get(self.kind)
        if served:
            if self.command:
                wrong.append(f"no command: kind {self.kind} has its own")
            if self.health_command:
                wrong.append(f"no health_command: kind {self.kind} has its own")
            # A port that is wrong in itself has its own problem told already.
            if served not in {p.container if _is_whole(p) else served for p in self.ports}:
                wrong.append(f"a port with container={served}, where kind {self.kind} listens")
            if self.user.startswith("0:"):
                wrong.append(f"a user other than root for kind {self.kind}")
        if self.kind == "ssh" and not self.authorized_keys:
            wrong.append("authorized_keys with at least one public key for kind ssh")
        if self.kind != "ssh" and self.authorized_keys:
            wrong.append(f"no authorized_keys: kind {self.kind} has no SSH login")
        if self.kind != "jupyter" and self.token:
            wrong.append(f"no token: kind {self.kind} does not ask for one")
        wrong += [
            f"no secret in environment ({name}): Docker shows it to whoever asks; mount a file"
            for name in self.environment
            if SECRET_NAME.search(name.upper())
        ]
        wrong += [
            f"environment: a variable's name in place of {name!r}"
            for name in self.environment
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)
        ]
        return wrong

    def _unfit_mounts(self) -> list[str]:
        targets = [m.target.rstrip("/") for m in self.mounts if _is_whole(m)]
        wrong = [f"one mount on {t}" for t in sorted(set(targets)) if targets.count(t) > 1]
        wrong += [
            f"no mount on {target}: Torchrack keeps secrets and keys there"
            for target in targets
            for own in OWN_TARGETS
            if target == own or target.startswith(own + "/")
        ]
        return wrong


class Workloads(Section):
    """The containers of a host."""

    stage: ClassVar[str] = "workloads"

    containers: list[Workload] = Field(default_factory=list, description="the declared workloads")
    gpu_timeout: Seconds = Field(
        60, ge=1, description="how long a start waits for the driver and the CDI spec, seconds"
    )
