"""Compare a container as Docker shows it with its specification.

The label with the specification's hash tells that the declaration has changed; it can't tell that
somebody changed the container (``docker update --memory``), so the values themselves are compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torchrack.workloads.workload import LABEL, SPEC_LABEL, ContainerSpec, network_name

Inspect = Mapping[str, Any]
"""One object of ``docker container inspect``."""


@dataclass(frozen=True)
class Difference:
    """A value that is not the declared one.

    Args:
        what: the value's name.
        found: what the container has.
        wanted: what is declared.
        update: arguments of ``docker update`` that mend it in place; empty where only another
            container does.
    """

    what: str
    found: object
    wanted: object
    update: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.what} is {self.found}, declared is {self.wanted}"


def owner(container: Inspect) -> str | None:
    """The workload a container belongs to, None for one that is not ours."""
    labels = container["Config"].get("Labels") or {}
    value = labels.get(LABEL)
    return str(value) if value else None


def differences(spec: ContainerSpec, container: Inspect) -> list[Difference]:
    """Return where a container is not what its specification says.

    Args:
        spec: what is declared.
        container: the container as ``docker container inspect`` shows it.
    """
    labels = container["Config"].get("Labels") or {}
    found_hash = labels.get(SPEC_LABEL)
    result = []
    if found_hash != spec.sha256():
        result.append(Difference("specification", str(found_hash)[:12], spec.sha256()[:12]))
    result += [
        Difference(what, found, wanted)
        for what, found, wanted in _fixed_values(spec, container)
        if found != wanted
    ]
    return result + _limits(spec, container["HostConfig"])


def _limits(spec: ContainerSpec, host: Mapping[str, Any]) -> list[Difference]:
    """The values that ``docker update`` can set on a running container."""
    cpus = f"{spec.nano_cpus / 10**9:.9f}".rstrip("0").rstrip(".")
    memory = ("--memory", str(spec.memory), "--memory-swap", str(spec.memory))
    swap = host.get("MemorySwap")
    values: list[tuple[str, object, object, tuple[str, ...]]] = [
        ("memory", host.get("Memory"), spec.memory, memory),
        # A kernel without swap accounting makes Docker write -1 whatever was asked for.
        ("memory and swap", spec.memory if swap == -1 else swap, spec.memory, memory),
        ("cpus", host.get("NanoCpus"), spec.nano_cpus, ("--cpus", cpus)),
        ("pids", host.get("PidsLimit"), spec.pids, ("--pids-limit", str(spec.pids))),
        ("restart policy", _restart(host), "no", ("--restart", "no")),
    ]
    if spec.cpuset:
        update = ("--cpuset-cpus", spec.cpuset)
        values.append(("cpuset", host.get("CpusetCpus") or "", spec.cpuset, update))
    else:
        values.append(("cpuset", host.get("CpusetCpus") or "", "", ()))
    return [Difference(w, f, d, u) for w, f, d, u in values if f != d]


def _restart(host: Mapping[str, Any]) -> str:
    return (host.get("RestartPolicy") or {}).get("Name") or "no"


def _fixed_values(spec: ContainerSpec, container: Inspect) -> list[tuple[str, object, object]]:
    """(name, found, wanted) of what only another container can change."""
    config, host = container["Config"], container["HostConfig"]
    environment = dict(entry.partition("=")[::2] for entry in config.get("Env") or [])
    wanted_environment = dict(spec.environment)
    ulimits = {u["Name"]: (u["Soft"], u["Hard"]) for u in host.get("Ulimits") or []}
    wanted_ulimits = {name: (value, value) for name, value in spec.ulimits}
    found_mounts = {
        mount["Destination"]: _shown_mount(mount) for mount in container.get("Mounts") or []
    }
    wanted_mounts = {m.target: (m.kind, m.source, not m.read_only) for m in spec.mounts}
    return [
        ("image", config.get("Image"), spec.image),
        ("command", tuple(config.get("Cmd") or ()) if spec.command else (), spec.command),
        ("user", config.get("User"), spec.user),
        ("environment", _only(environment, wanted_environment), wanted_environment),
        ("mounts", _only(found_mounts, wanted_mounts), wanted_mounts),
        ("ports", _published(host), sorted(spec.ports)),
        ("devices", _devices(host), spec.devices),
        ("shm size", host.get("ShmSize"), spec.shm_size),
        ("ulimits", _only(ulimits, wanted_ulimits), wanted_ulimits),
        ("init", bool(host.get("Init")), spec.init),
        ("privileged", bool(host.get("Privileged")), False),
        ("dropped capabilities", list(host.get("CapDrop") or ()), ["ALL"]),
        ("kept capabilities", _capabilities(host), spec.capabilities),
        ("security options", _security(host), ["no-new-privileges"]),
        ("networks", _networks(container), [network_name(spec.name)]),
    ]


def _only(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Images bring environment, ulimits and anonymous volumes of their own."""
    return {key: value for key, value in found.items() if key in wanted}


def _shown_mount(mount: Mapping[str, Any]) -> tuple[str, str, bool]:
    source = mount["Name"] if mount["Type"] == "volume" else mount["Source"]
    return mount["Type"], source, mount["RW"]


def _published(host: Mapping[str, Any]) -> list[tuple[int, str, int]]:
    return sorted(
        (int(port.partition("/")[0]), binding["HostIp"], int(binding["HostPort"]))
        for port, bindings in (host.get("PortBindings") or {}).items()
        for binding in bindings or ()
    )


def _devices(host: Mapping[str, Any]) -> tuple[str, ...]:
    requests = host.get("DeviceRequests") or ()
    plain = [device["PathOnHost"] for device in host.get("Devices") or ()]
    return tuple(name for request in requests for name in request.get("DeviceIDs") or ()) + tuple(
        plain
    )


def _capabilities(host: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(cap.removeprefix("CAP_") for cap in host.get("CapAdd") or ()))


def _security(host: Mapping[str, Any]) -> list[str]:
    """The options without those that Docker adds by itself (label, on SELinux)."""
    return [
        option.replace("no-new-privileges:true", "no-new-privileges").replace("=true", "")
        for option in host.get("SecurityOpt") or ()
        if not option.startswith("label")
    ]


def _networks(container: Inspect) -> list[str]:
    return sorted((container.get("NetworkSettings") or {}).get("Networks") or {})
