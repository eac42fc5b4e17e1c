"""NVIDIA's CDI spec: what it promises to containers, and whether the host can keep it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from torchrack import safe_yaml

SPEC = "/var/run/cdi/nvidia.yaml"
KIND = "nvidia.com/gpu"
SERVICE = "nvidia-cdi-refresh.service"
PATH_UNIT = "nvidia-cdi-refresh.path"

_LIBRARY = re.compile(r"/lib[^/]+\.so\.(\d+\.\d+(?:\.\d+)?)$")


@dataclass(frozen=True)
class Spec:
    """A CDI spec.

    Args:
        kind: vendor and class of its devices.
        devices: the names of its devices.
        drivers: the driver versions that its libraries carry in their names.
        paths: everything on the host that a container gets or that runs for it.
    """

    kind: str
    devices: tuple[str, ...]
    drivers: frozenset[str]
    paths: frozenset[str]


def read(text: str) -> Spec:
    """Read a spec as ``nvidia-ctk cdi generate`` writes it.

    Raises:
        ValueError: it is not a CDI spec.
    """
    try:
        data = safe_yaml.load(text)
        edits = [data.get("containerEdits") or {}]
        edits += [device.get("containerEdits") or {} for device in data["devices"]]
        paths = frozenset(path for edit in edits for path in _paths(edit))
        devices = tuple(str(device["name"]) for device in data["devices"])
        kind = str(data["kind"])
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"{SPEC} is not a CDI spec ({reason})") from None
    drivers = frozenset(match[1] for path in paths if (match := _LIBRARY.search(path)))
    return Spec(kind, devices, drivers, paths)


def _paths(edit: Mapping[str, Any]) -> Iterable[str]:
    for node in edit.get("deviceNodes") or ():
        yield node.get("hostPath") or node["path"]
    for mount in edit.get("mounts") or ():
        yield mount["hostPath"]
    for hook in edit.get("hooks") or ():
        yield hook["path"]


def problems(text: str, *, driver: str, uuids: Sequence[str], missing: Iterable[str]) -> list[str]:
    """Return what is wrong with the spec of a host; nothing when it is current.

    Args:
        text: the spec; empty when there is none.
        driver: version of the loaded driver.
        uuids: UUIDs of the GPUs that nvidia-smi shows.
        missing: those of the spec's paths that are not on the host.
    """
    if not text.strip():
        return [f"no {SPEC}"]
    try:
        spec = read(text)
    except ValueError as error:
        return [str(error)]
    found = []
    if spec.kind != KIND:
        found.append(f"kind {spec.kind}")
    if spec.drivers != {driver}:
        found.append(f"libraries of driver {', '.join(sorted(spec.drivers)) or 'unknown'}")
    wanted = {"all", *uuids}
    if absent := sorted(wanted - set(spec.devices)):
        found.append(f"no device {', '.join(absent)}")
    if stale := sorted(set(missing) & spec.paths):
        found.append(f"paths that do not exist: {', '.join(stale)}")
    return found
