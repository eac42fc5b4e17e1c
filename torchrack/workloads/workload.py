"""What a declared workload means on a host: names, paths, and the container's specification.

Pure: nothing here asks a host. The images' side of the contract (where secrets lie, what listens
where) is described in lab/image/README.md for the lab's image.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import NamedTuple

from torchrack.settings.workloads import Workload

LABEL = "io.torchrack.workload"
"""On every container, network and volume of ours; its value is the workload's name."""
SPEC_LABEL = "io.torchrack.spec"
"""On every container of ours: the hash of the specification that it was created from."""
SUPERVISOR = "/usr/local/lib/torchrack/workload"
REPLACE = "torchrack-replace@"
"""Begins the transient unit that replaces a container; no workload's name makes such a unit."""
UNITS = "/etc/systemd/system"
DIRECTORY = "/etc/torchrack/workloads"
STATE = "/var/lib/torchrack/workloads"
TOKEN = "jupyter_token"  # noqa: S105 - a file's name
KEYS = "authorized_keys"
SECRETS_TARGET = "/run/torchrack/secrets"
KEYS_TARGET = "/run/torchrack/ssh"
HOST_KEYS_TARGET = "/var/lib/torchrack/ssh"
COMMANDS = {"jupyter": ("torchrack-jupyter",), "ssh": ("torchrack-sshd",)}
HEALTH = {"jupyter": "torchrack-healthcheck jupyter", "ssh": "torchrack-healthcheck ssh"}
INITS = ("tini", "dumb-init", "docker-init", "catatonit", "s6-svscan", "init")
"""Programs that reap children: an image that starts with one needs no ``--init``."""


def unit_name(name: str) -> str:
    """The systemd unit of a workload."""
    return f"torchrack-{name}.service"


def unit_path(name: str) -> str:
    """The unit's file on the host."""
    return f"{UNITS}/{unit_name(name)}"


def network_name(name: str) -> str:
    """The workload's own network."""
    return f"torchrack-{name}"


def directory(name: str) -> str:
    """Where a workload's token or authorized_keys lie on the host; mounted as a directory."""
    return f"{DIRECTORY}/{name}"


class MountSpec(NamedTuple):
    """A mount: "bind" or "volume", a path or a volume's name, the path in the container."""

    kind: str
    source: str
    target: str
    read_only: bool


class PortSpec(NamedTuple):
    """A published TCP port."""

    container: int
    address: str
    host: int


@dataclass(frozen=True)
class ContainerSpec:
    """All that a container is created from.

    Args:
        name: its name.
        image: reference pinned by digest.
        command: arguments for the image's entrypoint.
        devices: CDI names.
        user: uid:gid.
        capabilities: capabilities that are kept.
        environment: variables set beside the image's own.
        mounts: volumes and bind mounts.
        ports: published ports.
        memory: bytes.
        nano_cpus: CPU limit, billionths of a core.
        cpuset: CPU list, empty for all.
        pids: process limit, count.
        shm_size: bytes.
        ulimits: (name, value); -1 is unlimited.
        init: whether Docker's own init is put before the image's program.
        health: shell command of the health check, or None for the image's own.
        start_timeout: seconds in which failing checks do not count.
        stop_timeout: seconds between SIGTERM and SIGKILL.
    """

    name: str
    image: str
    command: tuple[str, ...]
    devices: tuple[str, ...]
    user: str
    capabilities: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    mounts: tuple[MountSpec, ...]
    ports: tuple[PortSpec, ...]
    memory: int
    nano_cpus: int
    cpuset: str
    pids: int
    shm_size: int
    ulimits: tuple[tuple[str, int], ...]
    init: bool
    health: str | None
    start_timeout: int
    stop_timeout: int

    def sha256(self) -> str:
        """Hash of the whole specification, hex.

        A token is not part of it: it lies in a mounted directory, and a new one asks for a restart,
        not for another container.
        """
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def container_spec(
    workload: Workload, reference: str, entrypoint: tuple[str, ...]
) -> ContainerSpec:
    """Return the container that a workload asks for.

    Args:
        workload: the declared workload.
        reference: the image's reference in the catalog, pinned by digest.
        entrypoint: the image's entrypoint, which tells whether it brings an init.
    """
    return ContainerSpec(
        name=workload.name,
        image=by_digest(reference),
        command=COMMANDS.get(workload.kind, tuple(workload.command)),
        devices=devices(workload),
        user=workload.user,
        capabilities=tuple(sorted(workload.capabilities)),
        environment=tuple(sorted(workload.environment.items())),
        mounts=mounts(workload),
        ports=tuple(sorted(PortSpec(p.container, p.address, p.host) for p in workload.ports)),
        memory=workload.memory,
        nano_cpus=round(workload.cpus * 10**9),
        cpuset=workload.cpuset or "",
        pids=workload.pids,
        shm_size=workload.shm_size,
        ulimits=(
            ("memlock", workload.memlock),
            ("nofile", workload.nofile),
            ("stack", workload.stack),
        ),
        init=not (entrypoint and PurePosixPath(entrypoint[0]).name in INITS),
        health=HEALTH.get(workload.kind, workload.health_command),
        start_timeout=workload.start_timeout,
        stop_timeout=workload.stop_timeout,
    )


def by_digest(reference: str) -> str:
    """The reference without its tag: Docker finds a pulled image under name@digest."""
    name, _, digest = reference.partition("@")
    head, slash, tail = name.rpartition("/")
    return f"{head}{slash}{tail.partition(':')[0]}@{digest}"


def devices(workload: Workload) -> tuple[str, ...]:
    """The CDI names of the GPUs that a workload asks for."""
    if workload.gpus == "none":
        return ()
    names = ["all"] if workload.gpus == "all" else workload.gpus
    return tuple(f"nvidia.com/gpu={name}" for name in names)


def mounts(workload: Workload) -> tuple[MountSpec, ...]:
    """The declared mounts and those that the kind brings, by target."""
    result = [
        MountSpec("bind" if m.is_bind else "volume", m.source, m.target.rstrip("/"), m.read_only)
        for m in workload.mounts
    ]
    own = directory(workload.name)
    if workload.kind == "jupyter":
        result.append(MountSpec("bind", own, SECRETS_TARGET, True))
    if workload.kind == "ssh":
        result.append(MountSpec("bind", own, KEYS_TARGET, True))
        if HOST_KEYS_TARGET not in {mount.target for mount in result}:
            volume = f"{network_name(workload.name)}-host-keys"
            result.append(MountSpec("volume", volume, HOST_KEYS_TARGET, False))
    return tuple(sorted(result, key=lambda mount: mount.target))


def volumes(workload: Workload) -> list[str]:
    """The named volumes of a workload."""
    return sorted({mount.source for mount in mounts(workload) if mount.kind == "volume"})


def external(workload: Workload) -> frozenset[str]:
    """The volumes of a workload that are said to be somebody else's."""
    return frozenset(mount.source for mount in workload.mounts if mount.external)


def binds(workload: Workload) -> list[str]:
    """The declared paths of the host that a workload has mounted."""
    return sorted({mount.source for mount in workload.mounts if mount.is_bind})


def create_arguments(spec: ContainerSpec, name: str) -> list[str]:
    """The arguments of ``docker create`` for a specification.

    Args:
        spec: what to create.
        name: the name it is created under, which need not be its last one.
    """
    arguments = [
        *("--name", name, "--hostname", spec.name, "--pull", "never", "--restart", "no"),
        *("--label", f"{LABEL}={spec.name}", "--label", f"{SPEC_LABEL}={spec.sha256()}"),
        *("--network", network_name(spec.name), "--user", spec.user),
        *("--security-opt", "no-new-privileges", "--cap-drop", "ALL"),
        *("--memory", str(spec.memory), "--memory-swap", str(spec.memory)),
        *("--cpus", f"{spec.nano_cpus / 10**9:.9f}".rstrip("0").rstrip(".")),
        *("--pids-limit", str(spec.pids), "--shm-size", str(spec.shm_size)),
        *("--stop-timeout", str(spec.stop_timeout)),
    ]
    for flag, values in (
        ("--cap-add", spec.capabilities),
        ("--device", spec.devices),
        ("--ulimit", [f"{name}={value}:{value}" for name, value in spec.ulimits]),
        ("--env", [f"{key}={value}" for key, value in spec.environment]),
        ("--mount", [_mount_argument(mount) for mount in spec.mounts]),
        ("--publish", [_port_argument(port) for port in spec.ports]),
        ("--cpuset-cpus", [spec.cpuset] if spec.cpuset else []),
    ):
        for value in values:
            arguments += [flag, value]
    if spec.init:
        arguments.append("--init")
    if spec.health is not None:
        arguments += ["--health-cmd", spec.health, "--health-interval", "30s"]
        arguments += ["--health-timeout", "10s", "--health-retries", "3"]
        arguments += ["--health-start-period", f"{spec.start_timeout}s"]
        arguments += ["--health-start-interval", "2s"]
    return [*arguments, spec.image, *spec.command]


def _mount_argument(mount: MountSpec) -> str:
    argument = f"type={mount.kind},source={mount.source},target={mount.target}"
    return argument + ",readonly" if mount.read_only else argument


def _port_argument(port: PortSpec) -> str:
    address = f"[{port.address}]" if ":" in port.address else port.address
    return f"{address}:{port.host}:{port.container}"
