"""The one script that gathers a host's facts, with what it has to look for written in front."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from torchrack.errors import TorchrackError
from torchrack.facts import volumes
from torchrack.facts.docker import Daemon
from torchrack.facts.survey import HostSurvey
from torchrack.nvidia_smi import PROCESSES
from torchrack.operations.files import controller_file, read
from torchrack.settings.model import Settings
from torchrack.workloads import mounts
from torchrack.workloads import workload as names
from torchrack.workloads.workload import LABEL

_SYSTEM_CAS = '"$system_cas"'


@dataclass(frozen=True)
class Source:
    """A place that packages or images come from.

    Args:
        name: what it is, for messages ("driver repository").
        url: what to fetch; ``$os``, ``$codename``, ``$distribution``, ``$architecture`` and
            ``$cuda_architecture`` stand for the host's.
        ca_file: a PEM file on the controller with a CA that signs for this source alone.
        proxied: whether apt's proxy is used for it.
    """

    name: str
    url: str
    ca_file: str | None = None
    proxied: bool = True


def sources(settings: Settings) -> list[Source]:
    """Return the repositories and registries that a host with these settings needs."""
    driver, docker, toolkit, images = (
        settings.driver,
        settings.docker,
        settings.toolkit,
        settings.images,
    )
    found = [
        Source(
            "driver repository",
            f"{driver.repository}/compute/cuda/repos/$distribution/$cuda_architecture/Release",
        ),
        Source(
            "toolkit repository",
            f"{toolkit.repository}/libnvidia-container/stable/deb/$architecture/Release",
        ),
    ]
    if docker.source == "docker-ce":
        url = f"{docker.repository}/linux/$os/dists/$codename/Release.gpg"
        found.append(Source("docker repository", url))
    own_cas = {registry.address: registry.ca_file for registry in images.registries}
    addresses = {*own_cas, *(reference.split("/")[0] for reference in images.catalog.values())}
    for address in sorted(addresses):
        api = "registry-1.docker.io" if address == "docker.io" else address
        found.append(
            Source(f"registry {address}", f"https://{api}/v2/", own_cas.get(address), False)
        )
    return found


def script(settings: Settings) -> str:
    """Return the text of the script for a host with these settings; it wants to run as root.

    Raises:
        TorchrackError: a CA file on the controller can't be read.
    """
    head = {
        "wanted_driver": settings.driver.version,
        "wanted_ports": _hexadecimal(wanted_ports(settings)),
        "wanted_uuids": " ".join(wanted_uuids(settings)),
        "smi_processes": PROCESSES,
        "label": LABEL,
        "our_sites": f"|{'|'.join(urlsplit(source.url).netloc for source in sources(settings))}|",
        "docker_source": settings.docker.source,
        "our_hosts": " ".join(sorted(_hosts(settings))),
        "check_reach": "1" if settings.preflight.check_reachability else "0",
    }
    assignments = [f"{name}={shlex.quote(value)}" for name, value in head.items()]
    functions = [
        f"survey() {{ ( {HostSurvey().command()} ); }}",
        f"daemon() {{ (\n{Daemon().command(data_root(settings))}\n); }}",
        f"volumes() {{\n{volumes.script(wanted_volumes(settings), LABEL)}\n}}",
        mounts.shell(),
        f"away() {{\n{mounts.away_script(wanted_binds(settings))}\n}}",
        f"disk_paths() {{ printf '%s\\n' {shlex.join(disk_paths(settings))}; }}",
        _reach_all(settings),
    ]
    return "\n".join([*assignments, *functions, read("preflight/facts.sh")])


def _hosts(settings: Settings) -> set[str]:
    """The names of repositories, registries and proxies that a host has to reach."""
    urls = [source.url for source in sources(settings)]
    proxies = settings.docker.extra.get("proxies")
    if isinstance(proxies, dict):
        urls += [str(url) for key, url in proxies.items() if key != "no-proxy"]
    return {name for url in urls if (name := urlsplit(url).hostname)}


def data_root(settings: Settings) -> str:
    """Return the data root that the settings want; empty: Docker's own."""
    return str(settings.docker.extra.get("data-root") or "")


def disk_paths(settings: Settings) -> list[str]:
    """Return the paths whose file systems must have room: images and packages, and /boot."""
    return [data_root(settings) or "/var/lib/docker", "/usr", "/boot"]


def wanted_volumes(settings: Settings) -> list[str]:
    """Return the names of the volumes that workloads mount."""
    containers = settings.workloads.containers
    return sorted({volume for workload in containers for volume in names.volumes(workload)})


def wanted_binds(settings: Settings) -> list[str]:
    """Return the paths that workloads mount; a job may have ended, and then it mounts nothing."""
    containers = [one for one in settings.workloads.containers if not one.is_job]
    return sorted({path for workload in containers for path in names.binds(workload)})


def wanted_ports(settings: Settings) -> dict[int, list[tuple[str, str]]]:
    """Return the declared host ports: number to the (address, workload) pairs that want it."""
    ports: dict[int, list[tuple[str, str]]] = {}
    for workload in settings.workloads.containers:
        for port in workload.ports:
            ports.setdefault(port.host, []).append((port.address, workload.name))
    return ports


def wanted_uuids(settings: Settings) -> list[str]:
    """Return the UUIDs of GPUs and MIG devices that workloads ask for."""
    asked = (w.gpus for w in settings.workloads.containers if isinstance(w.gpus, list))
    return sorted({gpu for gpus in asked for gpu in gpus if not gpu[0].isdigit()})


def _hexadecimal(ports: dict[int, list[tuple[str, str]]]) -> str:
    return "|" + "|".join(f"{port:04X}" for port in sorted(ports)) + "|" if ports else ""


def _reach_all(settings: Settings) -> str:
    """The shell function that starts one ``reach`` for each source, with its CA bundle."""
    extra = [_pem(path) for path in settings.base.ca_certificates.values()]
    lines = ["reach_all() {"]
    for number, source in enumerate(sources(settings)):
        own = [_pem(source.ca_file)] if source.ca_file else []
        arguments = [shlex.quote(source.name), f'"{source.url}"']
        if extra or own:
            bundle = f'"$dir/ca-{number}"'
            pem = shlex.quote("\n".join([*extra, *own]) + "\n")
            lines.append(f"{{ cat {_SYSTEM_CAS} 2>/dev/null; printf %s {pem}; }} >{bundle}")
            arguments += ["-o", f"Acquire::https::CaInfo={bundle}"]
        if not source.proxied:
            arguments += ["-o", "Acquire::https::Proxy=DIRECT"]
        lines.append("reach " + " ".join(arguments))
    return "\n".join([*lines, "}"])


def _pem(path: str) -> str:
    text = controller_file(path).strip()
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise TorchrackError(f"the file {Path(path)} on this machine holds no PEM certificate")
    return text
