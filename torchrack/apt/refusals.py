"""What in apt's plan goes beyond what was asked for: each a rule with its reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torchrack.apt.transaction import Plan, Step
from torchrack.driver_names import may_be_driver, upstream


@dataclass(frozen=True)
class Allowed:
    """What an installation may do.

    Args:
        versions: the packages that are named, with their version, a pattern for it, or None.
        sources: URIs that our packages may come from; empty: whatever apt is set up with.
        driver: the version that every part of a driver gets; None: no part may change.
        parts: names of installed packages that are ours to remove: those of the driver.
        downgrades: whether the named packages and the parts may become older.
    """

    versions: Mapping[str, str | None]
    sources: tuple[str, ...] = ()
    driver: str | None = None
    parts: frozenset[str] = frozenset()
    downgrades: bool = False

    def ours(self, package: str) -> bool:
        """Whether a package is named, or one of the parts."""
        return package in self.versions or package in self.parts

    def concerned(self, step: Step) -> bool:
        """Whether a step is about such a package, or about one that could be a driver's."""
        return self.ours(step.package) or may_be_driver(step.package, step.new or step.old)


@dataclass(frozen=True)
class Refusal:
    """A reason against a plan: the rule's name, and what is wrong, in a sentence."""

    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.text}"


def refusals(plan: Plan, allowed: Allowed) -> list[Refusal]:
    """Return all reasons against a plan; empty where it does what was asked and no more.

    Args:
        plan: apt's plan.
        allowed: what it may do.
    """
    if plan.errors:
        return [Refusal("apt", " ".join(plan.errors[-6:]))]
    return [Refusal(rule, text) for rule, check in _RULES.items() for text in check(plan, allowed)]


def _branch_jump(plan: Plan, allowed: Allowed) -> Iterator[str]:
    """A dependency on ">=" moves a host unnoticed (NVIDIA/ansible-role-nvidia-driver#17)."""
    for step in plan.steps:
        if step.action != "remove" and may_be_driver(step.package, step.new):
            if allowed.driver is None:
                yield f"would {step.action} {step}, a part of a driver that was not asked for"
            elif upstream(step.new) != allowed.driver:
                yield f"would {step.action} {step} in place of {allowed.driver}"


def _transitional(plan: Plan, allowed: Allowed) -> Iterator[str]:
    """A name of one branch that installs another (xnvme/aisio#67)."""
    for step in plan.steps:
        if (
            step.action != "remove"
            and step.package in plan.transitional
            and allowed.concerned(step)
        ):
            yield f"{step.package} {step.new} says of itself: {plan.transitional[step.package]}"


def _removal(plan: Plan, allowed: Allowed) -> Iterator[str]:
    for step in plan.steps:
        if step.action == "remove" and step.package not in allowed.parts:
            yield f"would remove {step}, which is not ours"


def _kernel_without_module(plan: Plan, _allowed: Allowed) -> Iterator[str]:
    """DKMS builds for a kernel only where its headers are."""
    coming = {step.package for step in plan.steps if step.action != "remove"}
    for name in sorted(coming):
        kernel = re.match(r"linux-image-(?:unsigned-)?(\d\S*)", name)
        if kernel and f"linux-headers-{kernel[1]}" not in coming | {
            f"linux-headers-{release}" for release in plan.headers
        }:
            yield f"would install {name} without headers, so that it gets no NVIDIA module"


def _downgrade(plan: Plan, allowed: Allowed) -> Iterator[str]:
    for step in plan.steps:
        if step.action == "downgrade" and not (allowed.downgrades and allowed.ours(step.package)):
            yield f"would downgrade {step}, which nobody asked for"


def _second_source(plan: Plan, allowed: Allowed) -> Iterator[str]:
    offered: dict[str, list[str]] = {}
    for step in plan.steps:
        if step.action != "remove" and allowed.sources and allowed.concerned(step):
            for origin in plan.origins.get((step.package, step.new), ()):
                if not _within(origin, allowed.sources):
                    offered.setdefault(origin, []).append(f"{step.package} {step.new}")
    for origin, packages in offered.items():
        yield f"{origin} offers {', '.join(packages)} as well"


def _within(origin: str, sources: tuple[str, ...]) -> bool:
    """Whether a source of apt ("URI suite/component arch") is one of ours."""
    uri = origin.partition(" ")[0].rstrip("/")
    return any(f"{uri}/".startswith(f"{source.rstrip('/')}/") for source in sources)


def _another_version(plan: Plan, allowed: Allowed) -> Iterator[str]:
    for step in plan.steps:
        wanted = allowed.versions.get(step.package)
        fits = (step.new, step.new.partition(":")[2])
        if step.action != "remove" and wanted and not any(fnmatchcase(v, wanted) for v in fits):
            yield f"would {step.action} {step} in place of {wanted}"


_RULES: dict[str, Callable[[Plan, Allowed], Iterator[str]]] = {
    "branch jump": _branch_jump,
    "transitional package": _transitional,
    "removal": _removal,
    "kernel without its module": _kernel_without_module,
    "downgrade": _downgrade,
    "second source": _second_source,
    "another version": _another_version,
}
