"""The fields of --query-gpu: canonical names with aliases and units, and a GPU's values."""

import pkgutil
from collections.abc import Callable
from datetime import datetime
from functools import cache

from gpus import paths

from smi.nvml import Gpu, Nvml

LOST = "[GPU is lost]"
NOT_AVAILABLE = "[N/A]"
UNITS = (
    (("memory.", "protected_memory."), "MiB"),
    (("utilization.", "fan.speed"), "%"),
    (
        ("power.draw", "power.limit", "power.default_limit", "power.min_limit", "power.max_limit"),
        "W",
    ),
    (("enforced.power.limit",), "W"),
    (("clocks.",), "MHz"),
)
# These come from the GPU at each query; the driver remembers the rest when the GPU is lost.
FROM_THE_GPU = (
    "memory.",
    "utilization.",
    "temperature.",
    "power.draw",
    "ecc.errors.",
    "fan.speed",
    "retired_pages.",
)


@cache
def known() -> dict[str, str]:
    """Return a map from every name and alias to its canonical name."""
    names = {}
    for line in pkgutil.get_data("smi", "query-gpu-fields.txt").decode().splitlines():
        canonical, *aliases = line.split()
        names.update(dict.fromkeys([canonical, *aliases], canonical))
    return names


def unit(field: str) -> str:
    """Return the unit that the header and the values carry, or an empty string."""
    return next((unit for prefixes, unit in UNITS if field.startswith(prefixes)), "")


def value(field: str, gpu: Gpu, nvml: Nvml) -> str:
    """Return a field's value for one GPU, without its unit."""
    if gpu.lost and field.startswith(FROM_THE_GPU):
        return LOST
    getter = _GETTERS.get(field)
    if getter is not None:
        return getter(gpu, nvml)
    if field.startswith("ecc.errors."):
        return _ecc_errors(field, gpu)
    if field.startswith("clocks_event_reasons."):
        reason = field.partition(".")[2]
        return "Active" if reason in ("gpu_idle", *gpu.set.get("slowdown", ())) else "Not Active"
    return NOT_AVAILABLE


def _ecc_errors(field: str, gpu: Gpu) -> str:
    if not gpu.model.ecc:
        return NOT_AVAILABLE
    kind = "ecc_uncorrected" if ".uncorrected." in field else "ecc_corrected"
    counted = field.endswith((".total", ".dram", ".device_memory"))
    return str(gpu.set.get(kind, 0) if counted else 0)


def _pending(gpu: Gpu) -> str:
    if not gpu.model.ecc:
        return NOT_AVAILABLE
    return "Yes" if gpu.set.get("retired_pending") else "No"


def _watts(number: float) -> str:
    return f"{number:.2f}"


def _on(flag: bool) -> str:
    return "Enabled" if flag else "Disabled"


def power_draw(gpu: Gpu) -> float:
    """Return the power that the GPU draws, in W."""
    return gpu.set.get("power_draw", gpu.model.power[0])


def power_limit(gpu: Gpu) -> float:
    """Return the power limit in force, in W."""
    return gpu.set.get("power_limit", gpu.model.power[1])


def memory_used(gpu: Gpu) -> int:
    """Return the used memory in MiB."""
    return gpu.set.get("memory_used", 0)


def _free(gpu: Gpu) -> int:
    return gpu.model.memory - gpu.model.reserved - memory_used(gpu)


Getter = Callable[[Gpu, Nvml], str]
_GETTERS: dict[str, Getter] = {
    "timestamp": lambda g, n: datetime.now().strftime("%Y/%m/%d %H:%M:%S.%f")[:-3],
    "driver_version": lambda g, n: n.version,
    "count": lambda g, n: str(len(n.gpus)),
    "index": lambda g, n: str(g.index),
    "name": lambda g, n: g.model.name,
    "serial": lambda g, n: g.serial or NOT_AVAILABLE,
    "uuid": lambda g, n: g.device.uuid,
    "pci.bus_id": lambda g, n: g.device.bus_id,
    "pci.domain": lambda g, n: f"0x{g.device.address[:4].upper()}",
    "pci.bus": lambda g, n: f"0x{g.device.address[5:7].upper()}",
    "pci.device": lambda g, n: f"0x{g.device.address[8:10].upper()}",
    "pci.device_id": lambda g, n: f"0x{g.model.devices[0].upper()}10DE",
    "pcie.link.gen.current": lambda g, n: str(g.set.get("pcie_gen", g.model.pcie_gen)),
    "pcie.link.gen.gpucurrent": lambda g, n: str(g.model.pcie_gen),
    "pcie.link.gen.max": lambda g, n: str(g.model.pcie_gen),
    "pcie.link.gen.gpumax": lambda g, n: str(g.model.pcie_gen),
    "pcie.link.gen.hostmax": lambda g, n: str(g.model.pcie_gen),
    "pcie.link.width.current": lambda g, n: str(g.set.get("pcie_width", 16)),
    "pcie.link.width.max": lambda g, n: "16",
    "display_mode": lambda g, n: "Disabled",
    "display_active": lambda g, n: "Disabled",
    "persistence_mode": lambda g, n: _on(g.persistence),
    "accounting.mode": lambda g, n: "Disabled",
    "accounting.buffer_size": lambda g, n: "4000",
    "vbios_version": lambda g, n: g.device.vbios,
    "fan.speed": lambda g, n: NOT_AVAILABLE if g.model.fan is None else str(g.model.fan),
    "pstate": lambda g, n: "P0",
    "reset_status.reset_required": lambda g, n: "No",
    "clocks_event_reasons.supported": lambda g, n: "0x00000000000001FF",
    "clocks_event_reasons.active": lambda g, n: "0x0000000000000001",
    "memory.total": lambda g, n: str(g.model.memory),
    "memory.reserved": lambda g, n: str(g.model.reserved),
    "memory.used": lambda g, n: str(memory_used(g)),
    "memory.free": lambda g, n: str(_free(g)),
    "compute_mode": lambda g, n: "Default",
    "compute_cap": lambda g, n: g.model.compute_cap,
    "utilization.gpu": lambda g, n: str(g.set.get("utilization", 0)),
    "utilization.memory": lambda g, n: "0",
    "utilization.encoder": lambda g, n: "0",
    "utilization.decoder": lambda g, n: "0",
    "utilization.jpeg": lambda g, n: "0",
    "utilization.ofa": lambda g, n: "0",
    "ecc.mode.current": lambda g, n: _on(g.model.ecc),
    "ecc.mode.pending": lambda g, n: _on(g.model.ecc),
    "retired_pages.single_bit_ecc.count": lambda g, n: "0" if g.model.ecc else NOT_AVAILABLE,
    "retired_pages.double_bit.count": lambda g, n: "0" if g.model.ecc else NOT_AVAILABLE,
    "retired_pages.pending": lambda g, n: _pending(g),
    "temperature.gpu": lambda g, n: str(g.set.get("temperature", g.model.temperature)),
    "temperature.memory": lambda g, n: str(g.model.temperature - 2) if g.model.ecc else "N/A",
    "power.management": lambda g, n: "Enabled",
    "power.draw": lambda g, n: _watts(power_draw(g)),
    "power.draw.average": lambda g, n: _watts(power_draw(g)),
    "power.draw.instant": lambda g, n: _watts(power_draw(g)),
    "power.limit": lambda g, n: _watts(power_limit(g)),
    "enforced.power.limit": lambda g, n: _watts(power_limit(g)),
    "power.default_limit": lambda g, n: _watts(g.model.power[1]),
    "power.min_limit": lambda g, n: _watts(g.model.power[2]),
    "power.max_limit": lambda g, n: _watts(g.model.power[3]),
    "clocks.current.graphics": lambda g, n: str(g.model.clocks[0]),
    "clocks.current.sm": lambda g, n: str(g.model.clocks[0]),
    "clocks.current.memory": lambda g, n: str(g.model.clocks[2]),
    "clocks.current.video": lambda g, n: str(g.model.clocks[3]),
    "clocks.max.graphics": lambda g, n: str(g.model.clocks[1]),
    "clocks.max.sm": lambda g, n: str(g.model.clocks[1]),
    "clocks.max.memory": lambda g, n: str(g.model.clocks[2]),
    "mig.mode.current": lambda g, n: _on(g.mig) if g.model.mig else NOT_AVAILABLE,
    "mig.mode.pending": lambda g, n: _on(g.mig) if g.model.mig else NOT_AVAILABLE,
    "gsp.mode.current": lambda g, n: "Enabled",
    "gsp.mode.default": lambda g, n: "Enabled",
    "fabric.state": lambda g, n: _with_name("state  ", fabric(g)[0], n),
    "fabric.status": lambda g, n: _with_name("status ", fabric(g)[1], n),
}


def _with_name(name: str, value: str, nvml: Nvml) -> str:
    """Return a value of the fabric in the branch's form."""
    return f"{name}{value}" if nvml.branch < 580 and value != "N/A" else value


def fabric(gpu: Gpu) -> tuple[str, str]:
    """Return state and status of the GPU's registration with the NVLink fabric."""
    if not (paths.KERNEL / "nvidia-nvswitch/devices").is_dir():
        return "N/A", "N/A"
    if "fabric_state" in gpu.set:
        return gpu.set["fabric_state"], gpu.set.get("fabric_status", "N/A")
    if (paths.RUN / "fabric/completed").exists():
        return "Completed", "Success"
    return "In Progress", "N/A"
