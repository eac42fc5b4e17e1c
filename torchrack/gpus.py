"""Which GPU a PCI device id is, and which kernel modules and driver branches it takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from torchrack import safe_yaml
from torchrack.errors import TorchrackError

Flavour = Literal["open", "proprietary"]


def _load(name: str) -> dict[str, Any]:
    text = resources.files("torchrack").joinpath(name).read_text(encoding="utf-8")
    data: dict[str, Any] = safe_yaml.load(text)
    return data


_RULES = _load("architectures.yml")
ARCHITECTURES: dict[str, dict[str, Any]] = _RULES["architectures"]
"""The rules of each architecture by the first two letters of its chips' names."""


@dataclass(frozen=True)
class Gpu:
    """A GPU of the table.

    Args:
        device: PCI device id, four hex digits, lower case.
        chip: NVIDIA's name of the chip ("GH100").
        product: the product ("H200 SXM 141GB"); the chip where the table names none.
        architecture: "maxwell", "pascal", "volta", "turing", "ampere", "ada", "hopper",
            "blackwell" or "rubin".
    """

    device: str
    chip: str
    product: str
    architecture: str

    @property
    def flavours(self) -> frozenset[Flavour]:
        """The kernel modules that drive it; Grace Hopper needs the open ones, unlike Hopper."""
        if self.product.startswith(tuple(_RULES["open_only_products"])):
            return frozenset({"open"})
        return flavours(self.architecture)


@cache
def _file() -> dict[str, Any]:
    return _load("gpus.yml")


def _table() -> dict[str, list[str]]:
    table: dict[str, list[str]] = _file()["gpus"]
    return table


def source() -> str:
    """Return where the table is from ("pci.ids 2026.10.24")."""
    return str(_file()["source"])


def all_gpus() -> Iterator[Gpu]:
    """Yield every GPU of the table, by device id."""
    for device in _table():
        gpu = lookup(device)
        if gpu is not None:
            yield gpu


def nvswitch(device_id: str) -> str | None:
    """Return the name of the NVSwitch with this PCI device id, or None where it is none.

    Args:
        device_id: four hex digits ("22a3").
    """
    switches: dict[str, str] = _file()["nvswitches"]
    return switches.get(device_id.lower())


def lookup(device_id: str) -> Gpu | None:
    """Return the GPU with this PCI device id, or None where the table has none.

    Args:
        device_id: four hex digits ("2335").
    """
    row = _table().get(device_id.lower())
    if row is None:
        return None
    return named(device_id, *row)


def named(device_id: str, chip: str, product: str) -> Gpu:
    """Return a GPU by its chip and product; the chip where the product has no name."""
    return Gpu(device_id.lower(), chip, product or chip, ARCHITECTURES[chip[:2]]["name"])


def _rules(architecture: str) -> dict[str, Any]:
    for rules in ARCHITECTURES.values():
        if rules["name"] == architecture:
            return rules
    raise TorchrackError(f"{architecture}: no GPU architecture that Torchrack knows")


def flavours(architecture: str) -> frozenset[Flavour]:
    """Return the kernel module flavours that drive GPUs of an architecture."""
    return frozenset(_rules(architecture)["flavours"])


def rules_source(architecture: str) -> str:
    """Return the name of the source of an architecture's rules, in knowledge/sources.yml."""
    return str(_rules(architecture)["source"])


def proprietary_ends_before() -> int:
    """Return the first driver branch without proprietary kernel modules."""
    return int(_RULES["proprietary_ends_before"])


def last_branch(architecture: str) -> int | None:
    """Return the last driver branch that supports an architecture; None while it goes on."""
    branch: int | None = _rules(architecture).get("last_branch")
    return branch


def first_branch(architecture: str) -> int | None:
    """Return the first driver branch that supports an architecture; None where any does."""
    branch: int | None = _rules(architecture).get("first_branch")
    return branch


def best_flavour(gpus: Iterable[Gpu]) -> Flavour:
    """Return the flavour to install for all GPUs of a host: open where all of them take it.

    Raises:
        TorchrackError: there is no GPU, or no flavour drives all of them.
    """
    by_name = {gpu.product: gpu.flavours for gpu in gpus}
    if not by_name:
        raise TorchrackError("no NVIDIA GPU to choose a kernel module for")
    common = frozenset.intersection(*by_name.values())
    if "open" in common:
        return "open"
    if "proprietary" in common:
        return "proprietary"
    needs = "; ".join(f"{name} needs {' or '.join(sorted(f))}" for name, f in by_name.items())
    raise TorchrackError(f"no kernel module drives all GPUs of this host: {needs}")


def obstacle(gpu: Gpu, branch: int, flavour: Flavour) -> str | None:
    """Return why a driver can't drive a GPU, in a few words; None where it can.

    Args:
        gpu: the GPU.
        branch: the driver's branch (580 of 580.159.04).
        flavour: the kernel modules' flavour.
    """
    if flavour not in gpu.flavours:
        return f"{gpu.product} needs the {' or '.join(sorted(gpu.flavours))} kernel modules"
    if flavour == "proprietary" and branch >= _RULES["proprietary_ends_before"]:
        return f"R{branch} has no proprietary kernel modules"
    last, first = last_branch(gpu.architecture), first_branch(gpu.architecture)
    if last is not None and branch > last:
        return f"R{last} is the last branch for {gpu.product} ({gpu.architecture})"
    if first is not None and branch < first:
        return f"R{first} is the first branch for {gpu.product} ({gpu.architecture})"
    return None
