"""What would work instead: the combinations that differ least from what was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torchrack.contract import drivers, host, images
from torchrack.contract.case import Case
from torchrack.contract.model import AUTO, Image, ImageWish, Option
from torchrack.knowledge.versions import numbers

_MOST = 3
_OPTIONS = 6


def find(case: Case) -> tuple[str, ...]:
    """Return the combinations that would work, a line each, the nearest first.

    Up to three with all GPUs, and one without each of the GPUs where the host has several kinds.
    """
    case = _mended(case)
    found = _combinations(case)
    devices = sorted({device.lower() for device in case.facts.gpus})
    for device in devices[: 2 * _MOST] if len(devices) > 1 else ():
        rest = tuple(d for d in case.facts.gpus if d.lower() != device)
        left = Case(replace(case.facts, gpus=rest), case.wishes, case.known, case.today)
        product = next((gpu.product for gpu in case.gpus if gpu.device == device), f"10de:{device}")
        found += [f"without {product}: {line}" for line in _combinations(left)[:1]]
    return tuple(dict.fromkeys(found))


def _mended(case: Case) -> Case:
    """The case with the wishes dropped that can't hold whatever driver the host gets."""
    wishes = case.wishes
    for rule, fields in {
        "fabric-manager": {"fabric_manager": AUTO},
        "toolkit-docker": {"toolkit": AUTO, "docker": AUTO},
        "mig": {"mig": False},
    }.items():
        if any(conflict.rule == rule for conflict in host.stack(case)):
            wishes = replace(wishes, **fields)  # type: ignore[arg-type]  # fields of Wishes
    if case.wished_version and case.facts.offered is None:
        wishes = replace(wishes, driver=str(case.wished_branch))
    return Case(case.facts, wishes, case.known, case.today)


def _combinations(case: Case) -> list[str]:
    if not case.gpus or host.hardware(case):
        return []
    scored = []
    for place, option in enumerate(_options(case)):
        for rank, kind in enumerate(("closest", "newest", "same CUDA")):
            chosen = [_image(case, wish, option, kind) for wish in case.images]
            if all(image for image, _ in chosen):
                changed = sum(changed for _, changed in chosen)
                unmet = drivers.wished(case, option)
                line = _line(case, option, [image for image, _ in chosen if image])
                scored.append((_doubtful(case, option), unmet + changed, place, rank, line))
    best = [one for one in scored if not one[0]] or scored
    return list(dict.fromkeys(line for *_, line in sorted(best)))[:_MOST]


def _doubtful(case: Case, option: Option) -> bool:
    """Whether nobody should move to this branch: it has ended, or nothing is known of its life."""
    row = case.known.branches[option.branch]
    return row.kind is None or row.dead(case.today)


def _options(case: Case) -> list[Option]:
    """Return the nearest options that drive the host, one for each branch and flavour."""

    def order(option: Option) -> tuple[object, ...]:
        wanted = case.wished_branch
        distance = 0 if wanted is None else abs(wanted - option.branch)
        doubt = _doubtful(case, option)
        return doubt, drivers.wished(case, option), distance, drivers.preference(case, option)

    working = [o for o in drivers.options(case) if not drivers.objections(case, o)]
    kinds: dict[tuple[int, str], Option] = {}
    for option in sorted(working, key=order):
        kinds.setdefault((option.branch, option.flavour), option)
    return list(kinds.values())[:_OPTIONS]


def _image(case: Case, wish: ImageWish, option: Option, kind: str) -> tuple[Image | None, bool]:
    """Return the image for a wish or the nearest to it, and whether it is another than wished."""
    fit = images.fit(case, wish, option)
    if not fit.conflicts:
        return fit.image, False
    if kind == "newest" or wish.torch in (None, AUTO):
        torch = AUTO if wish.torch else None
        fit = images.fit(case, replace(wish, torch=torch, cuda=AUTO), option)
        return (None if fit.conflicts else fit.image), True
    for other in _others(case, wish):
        if kind == "same CUDA" and other.cuda != images.short(wish.cuda):
            continue
        fit = images.fit(case, other, option)
        if not fit.conflicts:
            return fit.image, True
    return None, True


def _others(case: Case, wish: ImageWish) -> Iterator[ImageWish]:
    """Yield every PyTorch build as a wish, the most alike first."""
    releases = sorted(case.known.releases, key=numbers)
    cudas = sorted(case.known.cuda, key=numbers)

    def away(names: list[str], wished: str | None, name: str) -> int:
        wanted = images.short(wished or AUTO)
        return abs(names.index(wanted) - names.index(name)) if wanted in names else 0

    pairs = [(name, b.cuda) for name in releases for b in case.known.releases[name].builds]
    pairs.sort(
        key=lambda pair: (
            away(releases, wish.torch, pair[0]),
            away(cudas, wish.cuda, pair[1]),
            [-part for part in numbers(pair[0])],
        )
    )
    for torch, cuda in pairs:
        yield replace(wish, torch=torch, cuda=cuda)


def _line(case: Case, option: Option, chosen: list[Image]) -> str:
    parts = [str(option), *map(str, chosen)]
    if case.facts.nvswitches:
        parts.append(case.known.fabric_manager_package(option.source, option.branch))
    return ", ".join(parts)
