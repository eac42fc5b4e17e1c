"""The GPU models that the simulated driver knows."""

import json
import pkgutil
from dataclasses import dataclass
from functools import cache

OLDER_THAN_TURING = ("maxwell", "pascal", "volta")
FIRST_BRANCH_WITHOUT_THEM = 590


@dataclass(frozen=True)
class Model:
    """What a kind of GPU has and can do.

    `power` is idle, default, lowest and highest limit in W; `clocks` are graphics idle and maximum,
    memory, video idle and maximum in MHz; `memory`, `reserved` and `bar1` are in MiB.
    """

    name: str
    devices: list[str]
    architecture: str
    compute_cap: str
    memory: int
    reserved: int
    bar1: int
    power: list[int]
    clocks: list[int]
    temperature: int
    fan: int | None
    vbios: str
    ecc: bool
    serial: bool
    mig: bool
    pcie_gen: int
    nvlinks: int
    link_speed: str

    def refused_by(self, flavour: str, branch: int) -> str:
        """Return why a module of this flavour and branch refuses the GPU, or an empty string.

        The reasons are the kernel log's own words (NVRM).
        """
        if self.architecture in OLDER_THAN_TURING:
            if branch >= FIRST_BRANCH_WITHOUT_THEM:
                return "supported through the NVIDIA 580.xx Legacy drivers"
            if flavour == "open":
                return (
                    "not supported by open nvidia.ko because it does not include the required "
                    "GPU System Processor (GSP)"
                )
        if self.architecture == "blackwell" and flavour == "proprietary":
            return "requires use of the NVIDIA open kernel modules"
        return ""


@cache
def _data() -> dict:
    return json.loads(pkgutil.get_data("gpus", "models.json"))


def by_device(device: str) -> Model | None:
    """Return the model with a PCI device id (four hex digits), or None."""
    return next((Model(**row) for row in _data()["models"] if device in row["devices"]), None)


def by_name(name: str) -> Model:
    """Return the model of that name, which the driver gave it. Raises KeyError for another."""
    for row in _data()["models"]:
        if row["name"] == name:
            return Model(**row)
    raise KeyError(name)


def cuda_version(driver: str) -> str:
    """Return the newest CUDA that a driver version supports (CUDA Toolkit release notes)."""
    return _data()["cuda_versions"].get(driver.split(".", maxsplit=1)[0], "13.0")
