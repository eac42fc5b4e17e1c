"""Containers that run there, as workloads; or why one can't be a workload. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from torchrack.adopt.found import Found
from torchrack.adopt.limits import limits, to_size
from torchrack.adopt.model import Made, Proposal, built
from torchrack.settings.section import SettingsError
from torchrack.settings.workloads import NAME, Mount, Port, Workload
from torchrack.workloads.workload import LABEL

Inspect = Mapping[str, Any]
_VISIBLE = "NVIDIA_VISIBLE_DEVICES"


def propose(found: Found, images: Mapping[str, str], proposal: Proposal) -> None:
    """Propose a workload for each running container that can be one.

    Args:
        found: the host.
        images: image id to its name in the catalog.
        proposal: takes them, and the reasons against the others.
    """
    for one in found.containers:
        name = str(one["Name"]).removeprefix("/")
        if not one["State"].get("Running"):
            proposal.notes.append(f"the container {name}, which does not run: it stays")
        elif (one["Config"].get("Labels") or {}).get(LABEL):
            reason = "its fleet's settings have it; a deploy without it removes it, data excepted"
            proposal.cannot(f"Container {name}", "a workload of Torchrack", reason)
        else:
            _one(name, one, found, images, proposal)


def _one(
    name: str, one: Inspect, found: Found, images: Mapping[str, str], proposal: Proposal
) -> None:
    image = found.images.get(str(one["Image"]), {})
    reasons = list(_obstacles(name, one, images, image))
    if not reasons:
        made = Made(Workload, _values(name, one, found, images, image))
        try:
            built(made, lambda file: None)  # type: ignore[arg-type, return-value]
        except SettingsError as error:
            reasons = [f"{p.what.partition('.')[2] or p.what}: {p.needed}" for p in error.problems]
        else:
            proposal.workloads.append(made)
    for reason in reasons:
        proposal.cannot(f"Container {name}", "no workload can be like it", reason)
    if not reasons:
        for what, there, reason in _differences(one, image):
            proposal.cannot(f"Container {name}: {what}", there, reason)


def _obstacles(name: str, one: Inspect, images: Mapping[str, str], image: Inspect) -> Iterator[str]:
    """Reasons for which it can't be a workload at all."""
    config = one["Config"]
    if not re.fullmatch(NAME, workload_name(name)):
        yield "its name is none that a workload could have"
    if one["Image"] not in images:
        yield "its image has no digest of a registry"
    entrypoint = (image.get("Config") or {}).get("Entrypoint") or None
    if (config.get("Entrypoint") or None) != entrypoint:
        yield "its entrypoint is not that of its image"
    if not re.fullmatch(r"(\d+(:\d+)?)?", config.get("User") or ""):
        yield f"its user is {config['User']}; a workload's is a number"
    for port in one["HostConfig"].get("PortBindings") or {}:
        if not port.endswith("/tcp"):
            yield f"it publishes {port}; workloads publish TCP ports"
    for mount in one.get("Mounts") or ():
        if mount["Type"] not in ("bind", "volume"):
            yield f"it has a {mount['Type']} mount on {mount['Destination']}"
    yield from _too_free(one["HostConfig"])


def _too_free(host: Inspect) -> Iterator[str]:
    """What a workload is never given."""
    privileged = bool(host.get("Privileged"))
    if privileged:
        yield "it is privileged, which a workload never is"
    if str(host.get("NetworkMode", "")).startswith(("host", "none", "container:")):
        yield f"its network is {host['NetworkMode']}; a workload has one of its own"
    for mode in ("PidMode", "IpcMode", "UTSMode", "UsernsMode"):
        if str(host.get(mode) or "").startswith(("host", "container:")):
            yield f"its {mode} is {host[mode]}"
    for option in host.get("SecurityOpt") or ():
        if not privileged and ("unconfined" in option or "disable" in option):
            yield f"it runs with {option}"
    for device in host.get("Devices") or ():
        yield f"it has the device {device['PathOnHost']}"


def _values(
    name: str, one: Inspect, found: Found, images: Mapping[str, str], image: Inspect
) -> dict[str, object]:
    host, config = one["HostConfig"], one["Config"]
    values: dict[str, object] = {
        "name": workload_name(name),
        "kind": "container",
        "image": images[one["Image"]],
        "gpus": gpus(one),
        "user": _user(config.get("User") or ""),
    }
    own = image.get("Config") or {}
    command = list(config.get("Cmd") or ())
    if command and command != list(own.get("Cmd") or ()):
        values["command"] = command
    if mounts := list(_mounts(one, own)):
        values["mounts"] = mounts
    if ports := list(_ports(host)):
        values["ports"] = ports
    if capabilities := [cap.removeprefix("CAP_") for cap in host.get("CapAdd") or ()]:
        values["capabilities"] = sorted(capabilities)
    test = (config.get("Healthcheck") or {}).get("Test") or []
    if test[:1] == ["CMD-SHELL"] and config.get("Healthcheck") != own.get("Healthcheck"):
        values["health_command"] = test[1]
    policy = (host.get("RestartPolicy") or {}).get("Name") or "no"
    values["restart"] = "always" if policy == "unless-stopped" else policy
    return values | limits(host, memory=found.memory, cpus=found.cpus)


def workload_name(name: str) -> str:
    """Return the name that a workload would have."""
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")


def gpus(one: Inspect) -> str | list[str]:
    """Return the GPUs that a container has, as a workload names them."""
    ids: list[str] = []
    for request in one["HostConfig"].get("DeviceRequests") or ():
        if request.get("Count") == -1:
            return "all"
        ids += [str(id_).rpartition("=")[2] for id_ in request.get("DeviceIDs") or ()]
        if request.get("Count", 0) > 0 and not request.get("DeviceIDs"):
            ids += [str(number) for number in range(request["Count"])]
    if one["HostConfig"].get("Runtime") == "nvidia" and not ids:
        ids = _environment(one["Config"]).get(_VISIBLE, "void").split(",")
    if "all" in ids:
        return "all"
    return [id_ for id_ in ids if id_ not in ("void", "none", "")] or "none"


def _user(text: str) -> str:
    if not text:
        return "0:0"
    return text if ":" in text else f"{text}:{text}"


def _mounts(one: Inspect, own: Inspect) -> Iterator[Made]:
    for mount in one.get("Mounts") or ():
        if mount["Destination"] in (own.get("Volumes") or {}) and len(mount.get("Name", "")) == 64:
            continue  # the image declares it, and brings it again
        values: dict[str, object] = {
            "source": mount["Source"] if mount["Type"] == "bind" else mount["Name"],
            "target": mount["Destination"],
        }
        if not mount.get("RW", True):
            values["read_only"] = True
        if mount["Type"] == "volume":
            values["external"] = True  # a deploy refuses a volume that it has not made otherwise
        yield Made(Mount, values)


def _ports(host: Inspect) -> Iterator[Made]:
    seen = set()
    for port, bindings in sorted((host.get("PortBindings") or {}).items()):
        for binding in bindings or ():
            address = binding.get("HostIp") or "0.0.0.0"  # noqa: S104 - what is there is told
            key = (port, binding["HostPort"], address)
            if not binding["HostPort"] or key in seen:
                continue
            seen.add(key)
            values: dict[str, object] = {
                "container": int(port.partition("/")[0]),
                "host": int(binding["HostPort"]),
                "address": address,
            }
            if address in ("0.0.0.0", "::"):  # noqa: S104
                values["public"] = True
            yield Made(Port, values)


def _differences(one: Inspect, image: Inspect) -> Iterator[tuple[str, str, str]]:
    """What would be otherwise in the workload than it is in the container."""
    host, config = one["HostConfig"], one["Config"]
    own = _environment(image.get("Config") or {})
    variables = [key for key, value in _environment(config).items() if own.get(key) != value]
    if variables := sorted(set(variables) - {_VISIBLE, "HOSTNAME"}):
        reason = "their values were left there, as they may be secrets: add environment="
        yield "environment", ", ".join(variables), reason
    if not any("no-new-privileges" in option for option in host.get("SecurityOpt") or ()):
        yield "privileges", "programs in it may gain some (sudo)", "in a workload they may not"
    if "ALL" not in (host.get("CapDrop") or ()):
        reason = "a workload drops all but those in capabilities="
        yield "capabilities", "Docker's default ones", reason
    if not host.get("Memory"):
        yield "memory", "no limit", "a workload has one: all of the machine's is proposed"
    elif host.get("MemorySwap") not in (host["Memory"], -1, 0, None):
        yield "swap", str(to_size(host["MemorySwap"])), "a workload has none"
    networks = sorted((one.get("NetworkSettings") or {}).get("Networks") or {})
    if networks != ["bridge"]:
        yield "networks", ", ".join(networks), "a workload has one of its own, and no other"
    if project := (config.get("Labels") or {}).get("com.docker.compose.project"):
        yield "Compose", f"project {project}", "systemd starts a workload, Compose does not"


def _environment(config: Inspect) -> dict[str, str]:
    return dict(entry.partition("=")[::2] for entry in config.get("Env") or ())
