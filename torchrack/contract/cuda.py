"""What CUDA says of driver and GPU, whatever program it is."""

from __future__ import annotations

from collections.abc import Iterator

from torchrack.contract.case import Case, names
from torchrack.contract.model import Conflict, Option
from torchrack.gpus import Gpu
from torchrack.knowledge.versions import numbers


def floor_objections(case: Case, option: Option, cuda: str) -> Iterator[Conflict]:
    """Yield a conflict where the driver is below the floor of CUDA's major version."""
    major = case.known.majors[numbers(cuda)[0]]
    if option.branch < major.floor:
        yield case.conflict(
            "cuda-floor",
            f"CUDA {cuda} needs driver R{major.floor} or newer, R{option.branch} is too old "
            f"(CUDA {major.major}.x, minor-version compatibility)",
        )


def gpu_objections(case: Case, cuda: str) -> Iterator[Conflict]:
    """Yield a conflict for GPUs that a toolkit has no code for, or that nothing is known of."""
    new: dict[str, list[Gpu]] = {}
    old: dict[str, list[Gpu]] = {}
    dark: list[Gpu] = []
    for gpu in case.gpus:
        capability = case.known.capability(gpu)
        if capability is None:
            dark.append(gpu)
            continue
        row = case.known.capabilities[capability]
        if row.first and numbers(cuda) < numbers(row.first):
            new.setdefault(row.first, []).append(gpu)
        if row.last and numbers(cuda) > numbers(row.last):
            old.setdefault(row.last, []).append(gpu)
    for first, gpus in new.items():
        yield case.conflict(
            "cuda-gpu",
            f"CUDA {cuda} has no code for {names(tuple(gpus))}: {first} is the first that has",
        )
    for last, gpus in old.items():
        yield case.conflict(
            "cuda-gpu",
            f"CUDA {cuda} has no code for {names(tuple(gpus))} any more: "
            f"{last} is the last that has",
        )
    if dark:
        yield case.conflict(
            "cuda-gpu",
            f"the compute capability of {names(tuple(dark))} is not in the table, "
            f"so that whether CUDA {cuda} has code for it can't be told",
        )


def jit_warnings(case: Case, option: Option, cuda: str) -> list[Conflict]:
    """Return a warning where a program's CUDA is newer than the driver's."""
    native = case.known.branches[option.branch].cuda
    if native is None or numbers(cuda) <= numbers(native):
        return []
    if numbers(cuda)[0] != numbers(native)[0]:
        return []
    return [
        case.conflict(
            "cuda-jit",
            f"CUDA {cuda} runs on R{option.branch} (CUDA {native}) by minor-version "
            "compatibility, which leaves out code that is compiled from PTX at run time",
        )
    ]
