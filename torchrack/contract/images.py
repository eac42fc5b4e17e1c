"""Which image fits a host with a driver: PyTorch release, CUDA build, Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torchrack.contract.case import Case, names
from torchrack.contract.cuda import floor_objections, gpu_objections, jit_warnings
from torchrack.contract.image_requirements import requirement_findings
from torchrack.contract.model import AUTO, Conflict, Image, ImageWish, Option
from torchrack.knowledge.rows import TorchBuild, TorchRelease
from torchrack.knowledge.versions import numbers


@dataclass(frozen=True)
class Fit:
    """An image for a wish: what speaks against it, and what is worth a warning."""

    image: Image | None
    conflicts: tuple[Conflict, ...]
    warnings: tuple[Conflict, ...] = ()


def short(version: str) -> str:
    """Return major and minor of a version: "2.6" of "2.6.0"."""
    return ".".join(version.split(".")[:2])


def fit(case: Case, wish: ImageWish, option: Option) -> Fit:
    """Return the best image for a wish, or what speaks against the best that there is.

    Args:
        case: the question.
        wish: what the image is to be.
        option: the driver it runs on.
    """
    stated = unknown(case, wish)
    if stated:
        return Fit(None, tuple(stated))
    fits = [_judge(case, wish, option, candidate) for candidate in _candidates(case, wish, option)]
    return min(fits, key=lambda one: (len(one.conflicts), len(one.warnings)))


def unknown(case: Case, wish: ImageWish) -> list[Conflict]:
    """Return what a wish names that the tables do not have."""
    found = []
    known = case.known
    if wish.torch not in (None, AUTO) and short(wish.torch) not in known.releases:
        have = ", ".join(known.releases)
        found.append(
            case.conflict("torch-known", f"torch {wish.torch} is not in the table (it has {have})")
        )
    if wish.cuda != AUTO and short(wish.cuda) not in known.cuda:
        have = ", ".join(known.cuda)
        found.append(
            case.conflict("cuda-known", f"CUDA {wish.cuda} is not in the table (it has {have})")
        )
    return found


def covers(capabilities: tuple[str, ...], capability: str) -> bool:
    """Whether code for some compute capabilities runs on one: the same major, no newer minor."""
    major, minor = numbers(capability)
    return any(numbers(c)[0] == major and numbers(c)[1] <= minor for c in capabilities)


def _candidates(
    case: Case, wish: ImageWish, option: Option
) -> Iterator[tuple[TorchRelease | None, TorchBuild | None, str]]:
    """Yield release, build and CUDA version, the most wanted first."""
    native = case.known.branches[option.branch].cuda
    limit = numbers(native) if native else (9999,)

    def order(cuda: str) -> tuple[object, ...]:
        return (numbers(cuda) > limit, [-part for part in numbers(cuda)])

    if wish.torch is None:
        versions = list(case.known.cuda) if wish.cuda == AUTO else [short(wish.cuda)]
        for cuda in sorted(versions, key=order):
            yield None, None, cuda
        return
    names_ = list(case.known.releases) if wish.torch == AUTO else [short(wish.torch)]
    for name in sorted(names_, key=numbers, reverse=True):
        release = case.known.releases[name]
        builds = sorted(release.builds, key=lambda b: (b.experimental, order(b.cuda)))
        matching = [b for b in builds if wish.cuda in (AUTO, b.cuda) or b.cuda == short(wish.cuda)]
        for build in matching:
            yield release, build, build.cuda
        if not matching:
            yield release, None, short(wish.cuda)


def _judge(
    case: Case,
    wish: ImageWish,
    option: Option,
    candidate: tuple[TorchRelease | None, TorchBuild | None, str],
) -> Fit:
    release, build, cuda = candidate
    floor = case.known.majors[numbers(cuda)[0]].floor
    conflicts = [*floor_objections(case, option, cuda), *gpu_objections(case, cuda)]
    warnings = jit_warnings(case, option, cuda)
    if release is not None and build is None:
        conflicts.append(_not_built(case, release, cuda))
    if release is not None and build is not None:
        conflicts += _gpus_without_code(case, release, build)
        warnings += _experimental(case, wish, release, build)
    python = _python(wish, release)
    if release is not None and python is None:
        have = ", ".join(release.python)
        conflicts.append(
            case.conflict(
                "torch-python", f"torch {release.torch} is for Python {have}, not {wish.python}"
            )
        )
    against, unclear = requirement_findings(case, wish, option)
    image = Image(
        name=wish.name,
        torch=release.torch if release else None,
        cuda=cuda,
        cudnn=build.cudnn if build else None,
        python=python,
        driver_floor=floor,
    )
    return Fit(image, (*conflicts, *against), (*warnings, *unclear))


def _python(wish: ImageWish, release: TorchRelease | None) -> str | None:
    if release is None:
        return None if wish.python == AUTO else wish.python
    if wish.python == AUTO:
        stable = sorted(release.python, key=numbers)
        return stable[-1]
    short_ = short(wish.python)
    return short_ if short_ in (*release.python, *release.python_experimental) else None


def _not_built(case: Case, release: TorchRelease, cuda: str) -> Conflict:
    have = ", ".join(build.cuda for build in release.builds)
    return case.conflict(
        "torch-build", f"torch {release.torch} is built for CUDA {have}, not for {cuda}"
    )


def _gpus_without_code(case: Case, release: TorchRelease, build: TorchBuild) -> Iterator[Conflict]:
    name = f"torch {release.torch} for CUDA {build.cuda}"
    covered = case.known.covered(build, case.facts.machine)
    if covered is None:
        yield case.conflict(
            "torch-build", f"{name}: no build for {case.facts.machine} is in the table"
        )
        return
    without = tuple(
        gpu
        for gpu in case.gpus
        if (capability := case.known.capability(gpu)) and not covers(covered, capability)
    )
    lacking = {case.known.capability(gpu) or "" for gpu in without}
    if without:
        yield case.conflict(
            "torch-gpu",
            f"{name} has code for compute capability {', '.join(covered)}, none that runs on "
            f"{names(without)} ({', '.join(sorted(lacking))})",
        )


def _experimental(
    case: Case, wish: ImageWish, release: TorchRelease, build: TorchBuild
) -> list[Conflict]:
    found = []
    if build.experimental:
        found.append(
            case.conflict(
                "torch-experimental",
                f"torch {release.torch} for CUDA {build.cuda} is an experimental build",
            )
        )
    if wish.python != AUTO and short(wish.python) in release.python_experimental:
        found.append(
            case.conflict(
                "torch-experimental",
                f"torch {release.torch} supports Python {wish.python} as an experiment",
            )
        )
    return found
