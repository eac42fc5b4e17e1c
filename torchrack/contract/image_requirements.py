"""An image's own requirements, judged for every GPU of the host."""

from __future__ import annotations

from torchrack.contract.case import Case
from torchrack.contract.drivers import version
from torchrack.contract.model import Conflict, ImageWish, Option
from torchrack.contract.requirements import RequirementError, parse, satisfied
from torchrack.gpus import Gpu

_BRANDS = {"GeForce": "geforce", "Tesla": "tesla", "Quadro": "quadro", "TITAN": "titan"}
"""NVML's brand by the first word of a product; others have several names over the years."""


def requirement_findings(
    case: Case, wish: ImageWish, option: Option
) -> tuple[list[Conflict], list[Conflict]]:
    """Return the conflicts, and the warnings where it can't be told."""
    against: list[Conflict] = []
    unclear: list[Conflict] = []
    for text in sorted(set(wish.requires)):
        try:
            requirement = parse(text)
        except RequirementError as error:
            against.append(case.conflict("image-requirement", f"{wish.name}: {error}"))
            continue
        verdicts = {
            gpu.product: satisfied(requirement, _properties(case, gpu, option)) for gpu in case.gpus
        }
        failing = [product for product, verdict in verdicts.items() if verdict is False]
        dark = [product for product, verdict in verdicts.items() if verdict is None]
        if failing:
            against.append(
                case.conflict(
                    "image-requirement",
                    f"{wish.name} requires {text!r}, which does not hold for "
                    f"{', '.join(failing)} with R{option.branch}",
                )
            )
        elif dark:
            unclear.append(
                case.conflict(
                    "image-requirement",
                    f"{wish.name} requires {text!r}: whether that holds for {', '.join(dark)} "
                    f"with R{option.branch} can't be told",
                )
            )
    return against, unclear


def _properties(case: Case, gpu: Gpu, option: Option) -> dict[str, str | None]:
    return {
        "brand": _BRANDS.get(gpu.product.split()[0]),
        "driver": version(case, option) or str(option.branch),
        "cuda": case.known.branches[option.branch].cuda,
        "arch": case.known.capability(gpu),
    }
