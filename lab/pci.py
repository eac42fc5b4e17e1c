"""Which devices a simulated server has on its PCI bus."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError

_ITEM = re.compile(r"(?P<model>[a-z0-9]+)(?::(?P<count>[1-9][0-9]?))?")


@dataclass(frozen=True)
class PciFunction:
    """One function of a PCI device, as sysfs describes it.

    `class_` is the 24-bit class with its programming interface (0x030200 is a 3D controller),
    `link` the speed in GT/s and the number of lanes (None for a device inside the CPU), `bars` the
    sizes of its memory regions in MiB, `model` the word it was asked for by (`board` for what every
    server has, the device's own word for its companion functions).
    """

    address: str
    vendor: int
    device: int
    class_: int
    name: str
    model: str
    subsystem_vendor: int
    subsystem_device: int
    numa_node: int
    link: tuple[float, int] | None
    bars: tuple[int, ...]

    @property
    def is_nvidia_gpu(self) -> bool:
        """Whether this is a display or 3D controller of NVIDIA's."""
        return self.vendor == 0x10DE and self.class_ >> 8 in (0x0300, 0x0302)


def functions(spec: list[str]) -> list[PciFunction]:
    """Return all PCI functions of a server with the GPUs of `spec`, ordered by address.

    Parameters:
        spec: such as `["h200:2"]`, `["rtx4090"]` or `["h200:8+nvswitch:4"]`; an empty list is a
            server without any GPU.

    Raises:
        LabError: an unknown model, a count that is no number, more devices than slots.
    """
    table = _table()
    found = [_function(address, "board", row) for address, row in table["board"].items()]
    free = {kind: list(buses) for kind, buses in table["slots"].items()}
    for model in _models(spec):
        kind = "nvswitch" if model == "nvswitch" else "gpu"
        if not free[kind]:
            raise LabError(
                f"{'+'.join(spec)}: a simulated server has {len(table['slots'][kind])} slots "
                f"for {kind}s, ask for fewer"
            )
        bus = free[kind].pop(0)
        row = table["devices"][model]
        rows = [row, *(table["companions"][name] for name in row.get("functions", []))]
        found += [_function(f"0000:{bus:02x}:00.{n}", model, row) for n, row in enumerate(rows)]
    return sorted(found, key=lambda function: function.address)


def _models(spec: list[str]) -> Iterator[str]:
    known = _table()["devices"]
    for item in "+".join(spec).split("+") if spec else []:
        match = _ITEM.fullmatch(item.strip().lower())
        if match is None or match["model"] not in known:
            raise LabError(
                f"{item!r} is no GPU of the lab; write MODEL or MODEL:COUNT, joined by '+', "
                f"with a model of: {', '.join(known)}"
            )
        yield from [match["model"]] * int(match["count"] or 1)


def _function(address: str, model: str, row: dict[str, Any]) -> PciFunction:
    bus = int(address.split(":")[1], 16)
    speed, lanes = row.get("link", (None, None))
    return PciFunction(
        address=address,
        vendor=row["vendor"],
        device=row["device"],
        class_=row["class"],
        name=row["name"],
        model=model,
        subsystem_vendor=row["subsystem"][0],
        subsystem_device=row["subsystem"][1],
        numa_node=int(bus >= 0x80),
        link=None if speed is None else (speed, lanes),
        bars=tuple(row["bars"]),
    )


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("pci.yaml").read_text())
    return table
