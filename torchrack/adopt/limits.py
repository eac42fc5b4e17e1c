"""A container's limits, as a workload's fields. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DEFAULTS = {"pids": 4096, "shm_size": 2**30}
_ULIMITS = ("memlock", "stack", "nofile")


def limits(host: Mapping[str, Any], *, memory: int, cpus: int) -> dict[str, object]:
    """Return memory, CPUs, processes, /dev/shm and ulimits; no limit is all of the machine.

    Args:
        host: the container's HostConfig.
        memory: of the machine, bytes.
        cpus: of the machine, count.
    """
    values: dict[str, object] = {
        "memory": to_size(host.get("Memory") or memory // 2**20 * 2**20),
        "cpus": _cpus(host) or float(cpus),
    }
    if host.get("CpusetCpus"):
        values["cpuset"] = host["CpusetCpus"]
    pids = host.get("PidsLimit") or 0
    if pids >= 16 and pids != _DEFAULTS["pids"]:
        values["pids"] = pids
    shm = host.get("ShmSize") or 0
    if shm >= 2**20 and shm != _DEFAULTS["shm_size"]:
        values["shm_size"] = to_size(shm)
    for ulimit in host.get("Ulimits") or ():
        name, hard = ulimit["Name"], ulimit["Hard"]
        if name == "memlock" or (name in _ULIMITS and hard > 0):
            values[name] = hard if hard == -1 or name == "nofile" else to_size(hard)
    return values


def _cpus(host: Mapping[str, Any]) -> float:
    if host.get("NanoCpus"):
        return float(host["NanoCpus"]) / 1e9
    quota, period = host.get("CpuQuota") or 0, host.get("CpuPeriod") or 100_000
    return quota / period if quota > 0 else 0.0


def to_size(size: int) -> str | int:
    """Return bytes as people write them, where that is exact."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20)):
        if size % factor == 0 and size:
            return f"{size // factor}{unit}"
    return size
