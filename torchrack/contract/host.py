"""What a host needs beside the driver: Fabric Manager, toolkit, Docker, MIG, and its dead GPUs."""

from __future__ import annotations

import re

from torchrack.contract.case import Case, names
from torchrack.contract.model import AUTO, Conflict
from torchrack.gpus import Gpu, nvswitch
from torchrack.knowledge.rows import ContainerToolkit
from torchrack.knowledge.versions import numbers


def hardware(case: Case) -> list[Conflict]:
    """Return what is wrong with the host's GPUs, whatever driver it gets."""
    found = [
        case.conflict(
            "gpu-known",
            f"10de:{device} is an NVSwitch ({switch}), not a GPU"
            if (switch := nvswitch(device))
            else f"10de:{device} is no GPU of the table, which begins with Maxwell",
        )
        for device in case.unknown
    ]
    if not case.facts.gpus:
        found.append(case.conflict("gpu-known", "the host has no NVIDIA GPU"))
    if case.gpus and not frozenset.intersection(*(gpu.flavours for gpu in case.gpus)):
        needs = "; ".join(
            f"{product} needs the {flavours} modules"
            for product, flavours in {
                gpu.product: " or ".join(sorted(gpu.flavours)) for gpu in case.gpus
            }.items()
        )
        found.append(
            case.conflict("one-module", f"no kernel module drives all GPUs of this host: {needs}")
        )
    return found


def stack(case: Case) -> list[Conflict]:
    """Return what is wrong with the wishes for Fabric Manager, toolkit, Docker and MIG."""
    found = []
    wishes = case.wishes
    if case.facts.nvswitches and wishes.fabric_manager == "no":
        found.append(
            case.conflict(
                "fabric-manager",
                f"the host has {case.facts.nvswitches} NVSwitch(es), and without Fabric Manager "
                "CUDA does not start there (error 802)",
            )
        )
    if toolkit(case) is None:
        have = ", ".join(case.known.toolkits)
        found.append(
            case.conflict(
                "toolkit-docker",
                f"container toolkit {wishes.toolkit} is not in the table (it has {have})",
            )
        )
    row = toolkit(case)
    if row and wishes.docker != AUTO and numbers(wishes.docker) < numbers(row.docker):
        found.append(
            case.conflict(
                "toolkit-docker",
                f"container toolkit {row.toolkit} needs Docker {row.docker} or newer, "
                f"{wishes.docker} is too old",
            )
        )
    if wishes.mig and case.gpus and not mig_capable(case):
        found.append(case.conflict("mig", f"{names(case.gpus)} can't be cut into instances"))
    return found


def stack_warnings(case: Case) -> list[Conflict]:
    """Return what goes, with a drawback: needless Fabric Manager, MIG on a part of the GPUs."""
    found = []
    if case.wishes.fabric_manager == "yes" and not case.facts.nvswitches:
        found.append(
            case.conflict(
                "fabric-manager",
                "Fabric Manager is asked for on a host without NVSwitches: its service will fail",
            )
        )
    capable = mig_capable(case)
    rest = tuple(gpu for gpu in case.gpus if gpu not in capable)
    if case.wishes.mig and capable and rest:
        found.append(
            case.conflict("mig", f"{names(rest)} can't be cut into instances and stays whole")
        )
    dark = tuple(gpu for gpu in case.gpus if case.known.capability(gpu) is None)
    if dark:
        found.append(
            case.conflict(
                "cuda-gpu",
                f"the compute capability of {names(dark)} is not in the table: "
                "which images fit can't be told",
            )
        )
    return found


def toolkit(case: Case) -> ContainerToolkit | None:
    """Return the row of the wished container toolkit, or the default; None: not in the table."""
    if case.wishes.toolkit != AUTO:
        return case.known.toolkits.get(case.wishes.toolkit)
    return next(row for row in case.known.toolkits.values() if row.default)


def mig_capable(case: Case) -> tuple[Gpu, ...]:
    """Return the GPUs that can be cut into instances."""
    return tuple(
        gpu
        for gpu in case.gpus
        if (row := case.known.chip(gpu))
        and any(re.search(pattern, gpu.product) for pattern in row.mig)
    )
