"""Find a GPU of the table by what people call it: "B200", "rtx 5090", "10de:2901"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from torchrack.errors import TorchrackError
from torchrack.gpus import Gpu, all_gpus, lookup, nvswitch
from torchrack.knowledge import builtin

_BRAND = re.compile(r"^(nvidia|geforce|tesla|quadro) ")


class GpuNameError(TorchrackError, ValueError):
    """A name that is no GPU's, or that is several GPUs' which differ."""


def find(name: str) -> str:
    """Return the PCI device id of a GPU, or of an NVSwitch.

    Args:
        name: "10de:2901", "2901", or a product's name in part ("B200", "RTX 5090", "V100"). A part
            that several products share will do where they have the same architecture, kernel
            modules and compute capability.

    Raises:
        GpuNameError: nothing has that name, or products that differ have it.
    """
    device = re.fullmatch(r"(?:(?:0x)?10de:)?(?:0x)?([0-9a-f]{4})", name.strip().lower())
    if device and (":" in name or lookup(device[1]) or nvswitch(device[1])):
        return device[1]
    wanted = _words(name)
    found = [gpu for gpu in all_gpus() if wanted and _within(wanted, _words(gpu.product))]
    exact = [gpu for gpu in found if _words(gpu.product) == wanted]
    kinds = {_kind(gpu) for gpu in exact or found}
    if not kinds:
        raise GpuNameError(f"{name!r} is no GPU of the table; give its PCI id, as in 10de:2901")
    if len(kinds) > 1:
        raise GpuNameError(f"{name!r} can be {_examples(exact or found)}: say which")
    return (exact or found)[0].device


def _kind(gpu: Gpu) -> tuple[object, ...]:
    return gpu.architecture, gpu.flavours, builtin().capability(gpu)


@cache
def _words(text: str) -> tuple[str, ...]:
    plain = _BRAND.sub("", text.lower().strip())
    return tuple(re.findall(r"[a-z0-9]+", plain))


def _within(part: tuple[str, ...], whole: tuple[str, ...]) -> bool:
    return any(whole[at : at + len(part)] == part for at in range(len(whole)))


def _examples(gpus: Iterable[Gpu]) -> str:
    by_kind: dict[tuple[object, ...], Gpu] = {}
    for gpu in gpus:
        by_kind.setdefault(_kind(gpu), gpu)
    return " or ".join(f"{g.product} (10de:{g.device}, {g.architecture})" for g in by_kind.values())
