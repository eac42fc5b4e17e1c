"""Wishes that are no values at all: named as conflicts, and left to the resolver otherwise."""

from __future__ import annotations

import re
from dataclasses import replace

from torchrack.contract.case import Case
from torchrack.contract.model import AUTO, Conflict, ImageWish, Wishes

_SHAPES = {
    "driver": (
        "branch-known",
        r"[1-9][0-9]{2,3}(\.[0-9]+){0,2}",
        "a branch (580) or a version (580.159.04)",
    ),
    "flavour": ("flavour", r"open|proprietary", "open or proprietary"),
    "source": ("source-system", r"cuda-repo|ubuntu", "cuda-repo or ubuntu"),
    "modules": ("source-modules", r"dkms|signed", "dkms or signed"),
    "fabric_manager": ("fabric-manager", r"yes|no", "yes or no"),
    "toolkit": ("toolkit-docker", r"\d+\.\d+\.\d+-\d+", "a version like 1.19.1-1"),
    "docker": ("toolkit-docker", r"\d+(\.\d+){0,2}", "a version like 29.6.1"),
}
_IMAGE_SHAPES = {
    "torch": ("torch-known", r"\d+\.\d+(\.\d+)?", "a release like 2.14"),
    "cuda": ("cuda-known", r"\d+\.\d+(\.\d+)?", "a version like 12.6"),
    "python": ("torch-python", r"3\.\d+(\.\d+)?", "a version like 3.12"),
}


def sift(case: Case) -> tuple[Case, list[Conflict]]:
    """Return the case with "auto" in place of wishes that are no values, and these as conflicts."""
    conflicts: list[Conflict] = []
    good: dict[str, object] = {}
    for name, (rule, pattern, needed) in _SHAPES.items():
        value = getattr(case.wishes, name)
        if value != AUTO and not re.fullmatch(pattern, value):
            conflicts.append(case.conflict(rule, f"{name} {value!r} is not {needed}"))
            good[name] = AUTO
    images = []
    for wish in case.images:
        kept, found = _sift_image(case, wish)
        images.append(kept)
        conflicts += found
    wishes: Wishes = replace(case.wishes, images=tuple(images), **good)  # type: ignore[arg-type]  # names and types are those of _SHAPES
    branch = Case(case.facts, wishes, case.known, case.today).wished_branch
    if branch is not None and branch not in case.known.branches:
        have = ", ".join(f"R{number}" for number in case.known.branches)
        conflicts.append(
            case.conflict("branch-known", f"R{branch} is not in the table (it has {have})")
        )
        wishes = replace(wishes, driver=AUTO)
    return Case(case.facts, wishes, case.known, case.today), conflicts


def _sift_image(case: Case, wish: ImageWish) -> tuple[ImageWish, list[Conflict]]:
    conflicts = []
    good: dict[str, str] = {}
    for name, (rule, pattern, needed) in _IMAGE_SHAPES.items():
        value = getattr(wish, name)
        if value not in (None, AUTO) and not re.fullmatch(pattern, value):
            conflicts.append(case.conflict(rule, f"{name} {value!r} is not {needed}"))
            good[name] = AUTO
    return replace(wish, **good), conflicts  # type: ignore[arg-type]  # all of them are text
