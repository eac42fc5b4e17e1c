"""The ways to drive a host, and the rules that rule some of them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torchrack.contract.case import Case, names
from torchrack.contract.model import AUTO, Conflict, Option
from torchrack.gpus import Flavour, Gpu, first_branch, last_branch, proprietary_ends_before
from torchrack.knowledge.rows import Modules
from torchrack.knowledge.versions import numbers


def options(case: Case) -> list[Option]:
    """Return every way to drive a host that the tables know of, possible or not."""
    every_modules: tuple[Modules, ...] = ("dkms", "signed")
    every_flavour: tuple[Flavour, ...] = ("open", "proprietary")
    known = case.known
    return [
        Option(channel.channel, modules, branch, flavour)
        for channel in known.channels.values()
        for modules in every_modules
        for branch in known.branches
        for flavour in every_flavour
    ]


def wished(case: Case, option: Option) -> int:
    """Return how many wishes of the settings an option leaves unmet."""
    wishes = case.wishes
    pairs = (
        (wishes.source, option.source),
        (wishes.modules, option.modules),
        (wishes.flavour, option.flavour),
    )
    unmet = sum(wish not in (AUTO, value) for wish, value in pairs)
    return unmet + (case.wished_branch not in (None, option.branch))


def preference(case: Case, option: Option) -> tuple[object, ...]:
    """Return the order of options where the settings leave it open; the smallest is the best.

    Long-term support before production before new feature branches, what has ended last; open
    modules; NVIDIA's repository built on the host, or signed modules where Secure Boot is on.
    """
    row = case.known.branches[option.branch]
    kinds = {"LTSB": 0, "PB": 1, "NFB": 2, None: 3}
    wants_signed = case.facts.secure_boot is True and not case.facts.dkms_key_enrolled
    return (
        row.dead(case.today),
        kinds[row.kind],
        -option.branch,
        option.flavour != "open",
        (option.modules == "signed") != wants_signed,
        option.source != "cuda-repo",
    )


def version(case: Case, option: Option) -> str | None:
    """Return the exact version: the wished, else the newest offered, else the newest known.

    Ubuntu's archive has versions of its own, so that only the host's apt knows them.
    """
    if case.wished_version and case.wished_branch == option.branch:
        return case.wished_version
    if case.facts.offered is not None:
        offered = [v for v in case.facts.offered if numbers(v)[0] == option.branch]
        return max(offered, key=numbers, default=None)
    seen = case.known.branches[option.branch].versions
    return seen[-1] if seen and option.source == "cuda-repo" else None


def objections(case: Case, option: Option) -> list[Conflict]:
    """Return what speaks against an option on this host; empty where it works."""
    return [found for rule in _RULES for found in rule(case, option)]


def weight(found: list[Conflict]) -> int:
    """Return how far from working an option is: what can't exist at all counts for more."""
    return sum({"source-modules": 100, "source-system": 10}.get(c.rule, 1) for c in found)


def _flavour(case: Case, option: Option) -> Iterator[Conflict]:
    wrong = tuple(gpu for gpu in case.gpus if option.flavour not in gpu.flavours)
    if wrong:
        other = "proprietary" if option.flavour == "open" else "open"
        yield case.conflict(
            "flavour",
            f"the {option.flavour} kernel modules don't drive {names(wrong)}, "
            f"the {other} ones have to",
        )


def _proprietary_end(case: Case, option: Option) -> Iterator[Conflict]:
    if option.flavour == "proprietary" and option.branch >= proprietary_ends_before():
        yield case.conflict(
            "proprietary-end", f"R{option.branch} has no proprietary kernel modules any more"
        )


def _gpu_branches(case: Case, option: Option) -> Iterator[Conflict]:
    ended: dict[int, list[Gpu]] = {}
    early: dict[int, list[Gpu]] = {}
    for gpu in case.gpus:
        last, first = last_branch(gpu.architecture), first_branch(gpu.architecture)
        if last is not None and option.branch > last:
            ended.setdefault(last, []).append(gpu)
        if first is not None and option.branch < first:
            early.setdefault(first, []).append(gpu)
    for last, gpus in ended.items():
        yield case.conflict(
            "last-branch",
            f"R{option.branch} no longer drives {names(tuple(gpus))}: "
            f"R{last} is the last that does",
        )
    for first, gpus in early.items():
        yield case.conflict(
            "first-branch",
            f"R{option.branch} does not know {names(tuple(gpus))} yet: R{first} is the first",
        )


def _source(case: Case, option: Option) -> Iterator[Conflict]:
    channel = case.known.channels[option.source]
    if case.facts.system not in channel.systems:
        yield case.conflict(
            "source-system",
            f"{channel.title} has nothing for {case.facts.system} "
            f"(it serves {', '.join(channel.systems)})",
        )
    if option.modules not in channel.modules:
        yield case.conflict(
            "source-modules",
            f"{channel.title} has no {option.modules} modules, only {', '.join(channel.modules)}",
        )
    trap = next(
        (
            row
            for row in case.known.transitional
            if row.channel == option.source and row.branch == option.branch
        ),
        None,
    )
    if trap:
        yield case.conflict(
            "transitional",
            f"{trap.package} in {channel.title} is an empty package that installs "
            f"R{trap.becomes} in place of R{trap.branch}",
        )
    elif channel.branches and option.branch not in channel.branches:
        have = ", ".join(f"R{branch}" for branch in channel.branches)
        yield case.conflict(
            "source-branch", f"{channel.title} has no R{option.branch}, only {have}"
        )


def _secure_boot(case: Case, option: Option) -> Iterator[Conflict]:
    enrolled = case.facts.dkms_key_enrolled
    if option.modules == "dkms" and case.facts.secure_boot and not enrolled:
        yield case.conflict(
            "secure-boot",
            "Secure Boot is on, and modules that DKMS builds on the host carry no signature "
            "that it accepts: take signed ones, enrol the host's DKMS key, or turn it off",
        )
    kernel = case.facts.kernel
    kernels = case.known.channels[option.source].kernels
    if option.modules == "signed" and kernel and kernels:
        flavour = kernel.rpartition("-")[2]
        if flavour not in kernels:
            yield case.conflict(
                "signed-kernel",
                f"no signed modules exist for the kernel {kernel}, only for "
                f"{', '.join(kernels)} kernels",
            )


def _offered(case: Case, option: Option) -> Iterator[Conflict]:
    offered = case.facts.offered
    if offered is None:
        return
    in_branch = [v for v in offered if numbers(v)[0] == option.branch]
    exact = case.wished_version if case.wished_branch == option.branch else None
    if exact and exact not in offered:
        in_branch = []
    if not in_branch:
        have = ", ".join(sorted(set(offered), key=numbers)) or "no driver at all"
        wanted = exact or f"R{option.branch}"
        yield case.conflict("offered", f"the host's repository has no {wanted}, it offers {have}")


_RULES: tuple[Callable[[Case, Option], Iterator[Conflict]], ...] = (
    _flavour,
    _proprietary_end,
    _gpu_branches,
    _source,
    _secure_boot,
    _offered,
)
