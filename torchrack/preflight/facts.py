"""What the script found out about a host, parsed."""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pyinfra.api.exceptions import FactProcessError

from torchrack.facts.docker import Daemon, DaemonState
from torchrack.facts.survey import HostSurvey, Survey
from torchrack.facts.volumes import Origin
from torchrack.facts.volumes import parse as parse_volumes
from torchrack.nvidia_smi import processes
from torchrack.preflight import network
from torchrack.preflight.network import NetworkFacts
from torchrack.sections import sections
from torchrack.workloads.mounts import away
from torchrack.workloads.workload import LABEL


class UnclearAnswer(ValueError):
    """The script's output is not what it should be."""


@dataclass(frozen=True)
class DpkgState:
    """A package that dpkg lists: its three status letters, its version, its source package."""

    status: str
    version: str
    source: str = ""


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket: address, port, and the process that holds it (0: not known).

    ``dual`` says that it takes IPv4 as well where its address is ``::``.
    """

    address: str
    port: int
    pid: int
    process: str
    dual: bool = True


@dataclass(frozen=True)
class Container:
    """A running container: name, its workload (empty: not ours), Docker's text of its ports."""

    name: str
    workload: str
    ports: str


@dataclass(frozen=True)
class Reach:
    """An attempt to fetch something from the host: apt-helper's exit status and its words."""

    name: str
    url: str
    status: int
    output: str


@dataclass(frozen=True)
class Disk:
    """A file system: free bytes for root, and where it is mounted."""

    free: int
    mount: str


@dataclass(frozen=True)
class AptResult:
    """A run of apt-get: exit status and output."""

    status: int
    output: str


@dataclass(frozen=True)
class HostFacts:
    """Everything that preflight knows of a host.

    Args:
        survey: operating system and hardware.
        clock: the host's time, seconds since the epoch.
        debian: whether dpkg is there; without it nothing below is known.
        ca_bundle: whether the host has the bundle of public CAs.
        secure_boot: whether the firmware checks signatures.
        dkms_key_enrolled: whether modules that DKMS signs may load under Secure Boot.
        cpus: numbers of the CPUs that are online; empty where that is not known.
        memory: bytes of memory; 0 where that is not known.
        gpu_uuids: UUIDs of GPUs and MIG devices, where one is declared and the driver is loaded.
        disks: the file system of each path asked for.
        loaded_driver: version of the loaded NVIDIA module, None without one.
        gpu_processes: "pid name" of whoever has a GPU open; only known where the loaded driver
            is not the wanted one.
        listeners: sockets on ports that workloads want.
        foreign_docker: paths of a Docker that no Debian package owns.
        daemon: docker.service, daemon.json and the engine's answer.
        images: references by digest that the engine has; None without a running engine.
        containers: running containers.
        volumes: the declared volumes that exist; None without a running engine.
        away: declared paths to the mount point that they lie on, which is not mounted.
        apt_holders: "pid command" of processes that still hold apt's or dpkg's locks.
        apt_sources: URIs of the InRelease files of the configured apt sources.
        own_sources: base URIs in the sources that an earlier run wrote, whatever was set then.
        apt_check: result of ``apt-get check``; None where the locks are held.
        apt_fix: result of the simulated ``apt-get --fix-broken install``; None if not needed.
        packages: packages not cleanly installed, and those of Docker and NVIDIA.
        driver_origins: installed driver packages to the URIs their version comes from.
        unowned_driver_files: the driver's files that no package owns.
        reach: attempts to fetch from mirrors and registries.
        network: routes, and whom the host has to answer.
    """

    survey: Survey
    clock: float
    debian: bool = True
    ca_bundle: bool = True
    secure_boot: bool = False
    dkms_key_enrolled: bool = False
    cpus: frozenset[int] = frozenset()
    memory: int = 0
    gpu_uuids: frozenset[str] = frozenset()
    disks: Mapping[str, Disk] = field(default_factory=dict)
    loaded_driver: str | None = None
    gpu_processes: tuple[str, ...] = ()
    listeners: tuple[Listener, ...] = ()
    foreign_docker: tuple[str, ...] = ()
    daemon: DaemonState | None = None
    images: frozenset[str] | None = None
    containers: tuple[Container, ...] = ()
    volumes: Mapping[str, Origin] | None = None
    away: Mapping[str, str] = field(default_factory=dict)
    apt_holders: tuple[str, ...] = ()
    apt_sources: tuple[str, ...] = ()
    own_sources: tuple[str, ...] = ()
    apt_check: AptResult | None = None
    apt_fix: AptResult | None = None
    packages: Mapping[str, DpkgState] = field(default_factory=dict)
    driver_origins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unowned_driver_files: tuple[str, ...] = ()
    reach: tuple[Reach, ...] = ()
    network: NetworkFacts = field(default_factory=NetworkFacts)


def parse(stdout: Iterable[str], stderr: Iterable[str]) -> HostFacts:
    """Return the facts in the script's output.

    Raises:
        UnclearAnswer: something is missing or not as the script writes it.
    """
    parts = sections(stdout)
    if "end" not in parts:
        raise UnclearAnswer(f"the answer was cut off after {list(parts)[-1:] or 'nothing'}")
    try:
        return _facts(parts, stderr)
    except (FactProcessError, ValueError, KeyError, IndexError, TypeError) as error:
        raise UnclearAnswer(f"{type(error).__name__}: {error}") from error


def _facts(parts: Mapping[str, list[str]], stderr: Iterable[str]) -> HostFacts:
    survey = HostSurvey().process(parts["survey"])
    clock = float(parts["clock"][0])
    if "packages" not in parts:
        return HostFacts(survey, clock, debian=False)
    disks = [line.split("\t") for line in parts["disk"]]
    containers = [line.split("\t", 2) for line in parts.get("containers", [])]
    packages = [line.split("\t") for line in parts["packages"]]
    version = re.search(r"\s(\d+\.\d+(\.\d+)?)\s", "\n".join(parts["module"]))
    owned = {line.partition(": ")[2] for line in parts["driver-files-owned"]}
    return HostFacts(
        survey,
        clock,
        ca_bundle=bool(parts["ca-bundle"]),
        secure_boot=any(line.strip() == "1" for line in parts["secure-boot"]),
        dkms_key_enrolled="is already enrolled" in "\n".join(parts["dkms-key-enrolled"]),
        cpus=cpu_list("".join(parts.get("cpus", []))),
        memory=int("".join(parts.get("memory", [])) or 0),
        gpu_uuids=frozenset(
            line.removeprefix("UUID: ").strip() for line in parts.get("gpu-names", [])
        ),
        disks={path: Disk(int(free), mount) for path, free, mount in disks},
        loaded_driver=version[1] if version else None,
        gpu_processes=_gpu_processes(parts),
        listeners=tuple(
            _listener(line, set(parts.get("ports-v6only", []))) for line in parts["ports"]
        ),
        foreign_docker=tuple(parts["docker-foreign"]),
        daemon=Daemon().process(parts["daemon"]) if "daemon" in parts else None,
        images=frozenset(parts["images"]) if "images" in parts else None,
        volumes=parse_volumes(parts["volumes"], LABEL) if "volumes" in parts else None,
        away=away(line.removeprefix("away ") for line in parts.get("away", ())),
        containers=tuple(Container(name, label, p) for name, label, p in containers),
        apt_holders=tuple(parts["apt-lock"]),
        apt_sources=tuple(parts["apt-sources"]),
        own_sources=tuple(parts.get("own-sources", [])),
        apt_check=_apt_result(parts["apt-check"]),
        apt_fix=_apt_result(parts.get("apt-fix", [])),
        packages={name: DpkgState(status, *rest) for status, name, *rest in packages},
        driver_origins=_origins(parts["driver-origins"]),
        unowned_driver_files=tuple(f for f in parts["driver-files"] if f not in owned),
        reach=tuple(_reach(line) for line in stderr if line.startswith("reach\t")),
        network=network.parse(parts.get("network", ()), parts.get("networks")),
    )


def _listener(line: str, v6only: set[str]) -> Listener:
    address, port, pid, process = [*line.split(" ", 3), ""][:4]
    number = int(port, 16)
    return Listener(_address(address), number, int(pid), process, str(number) not in v6only)


def cpu_list(text: str) -> frozenset[int]:
    """The numbers in a list of CPUs as the kernel and Docker write it, ``0-7,16-23``."""
    ranges = (part.partition("-") for part in text.split(",") if part)
    return frozenset(n for a, _, b in ranges for n in range(int(a), int(b or a) + 1))


def _address(text: str) -> str:
    """An address of /proc/net/tcp: 32-bit words, each in the host's byte order (little endian)."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    address = ipaddress.ip_address(struct.pack(f"<{len(words)}I", *words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _gpu_processes(parts: Mapping[str, list[str]]) -> tuple[str, ...]:
    by_pid = dict(line.split(" ", 1) for line in parts["gpu-processes"])
    try:
        told = processes("\n".join(parts.get("smi-processes", [])))
    except ValueError:
        told = []  # nvidia-smi does not work now; who has a GPU open is known all the same
    by_pid |= {str(process.pid): process.name for process in told}
    return tuple(f"{pid} {name}" for pid, name in by_pid.items())


def _apt_result(lines: list[str]) -> AptResult | None:
    if not lines:
        return None
    return AptResult(int(lines[-1].removeprefix("rc=")), "\n".join(lines[:-1]))


def _origins(lines: list[str]) -> dict[str, tuple[str, ...]]:
    """The URIs of the installed version ("***") of each package in ``apt-cache policy``."""
    origins: dict[str, tuple[str, ...]] = {}
    package, installed = "", False
    for line in lines:
        if not line.startswith(" "):
            package, installed = line.rstrip(":"), False
        elif re.match(r" (\*\*\*|   ) \S", line):
            installed = line.startswith(" ***")
        elif installed and (match := re.match(r"\s+-?\d+ (\w+:\S+)", line)):
            origins[package] = (*origins.get(package, ()), match[1])
    return origins


def _reach(line: str) -> Reach:
    _, name, url, status, output = line.split("\t", 4)
    return Reach(name, url, int(status), output)
