"""``NVIDIA_REQUIRE_*``: what an image says it needs, as the container toolkit reads it.

Grammar (NVIDIA/nvidia-container-toolkit, internal/requirements/constraints/factory.go): terms
with a space between them are alternatives (OR); within a term, factors with commas all have to hold
(AND); a factor is PROPERTY OPERATOR VALUE without spaces; a property that is not known is skipped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torchrack.errors import TorchrackError
from torchrack.knowledge.versions import numbers

Property = Literal["brand", "driver", "cuda", "arch"]
_FACTOR = re.compile(r"(?P<property>[^<>=!]*)(?P<operator>!=|<=|>=|=|<|>)(?P<value>.*)")
_VERSION = re.compile(r"v?(\d+(?:\.\d+){0,2})(?:[-+].*)?")
_PROPERTIES = frozenset({"brand", "driver", "cuda", "arch"})


class RequirementError(TorchrackError, ValueError):
    """Text that the container toolkit would refuse as a requirement."""


@dataclass(frozen=True)
class Factor:
    """A comparison: property, operator, value."""

    property: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{self.property}{self.operator}{self.value}"

    def holds(self, properties: Mapping[str, str | None]) -> bool | None:
        """Whether it holds; None where the property isn't known well enough to tell."""
        have = properties.get(self.property)
        if have is None:
            return None
        if self.property == "brand":
            return _compare(have, self.operator, self.value)
        return _compare_versions(have, self.operator, self.value)


Requirement = tuple[tuple[Factor, ...], ...]
"""Alternatives, each of factors that all have to hold; none at all: nothing is required."""


def parse(text: str) -> Requirement:
    """Parse the value of one ``NVIDIA_REQUIRE_*`` variable.

    Raises:
        RequirementError: a factor without an operator, or a version that is none.
    """
    terms = []
    for term in text.split(" "):
        factors = tuple(
            factor for part in term.split(",") if part.strip() if (factor := _factor(part))
        )
        if factors:
            terms.append(factors)
    return tuple(terms)


def satisfied(requirement: Requirement, properties: Mapping[str, str | None]) -> bool | None:
    """Whether a requirement holds.

    Args:
        requirement: what :func:`parse` made.
        properties: brand, driver, cuda, arch; None or missing where not known. A driver of which
            only the branch is known is that number alone ("580").

    Returns:
        True or False; None where it hangs on something that is not known.
    """
    if not requirement:
        return True
    verdicts = [_all([factor.holds(properties) for factor in term]) for term in requirement]
    if True in verdicts:
        return True
    return None if None in verdicts else False


def _all(verdicts: list[bool | None]) -> bool | None:
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _factor(text: str) -> Factor | None:
    match = _FACTOR.fullmatch(text)
    if match is None:
        raise RequirementError(
            f"{text!r} is no requirement: PROPERTY, one of = != < <= > >=, VALUE"
        )
    if match["property"] not in _PROPERTIES:
        return None
    if match["property"] != "brand" and not _VERSION.fullmatch(match["value"]):
        raise RequirementError(f"{text!r}: {match['value']!r} is no version")
    return Factor(match["property"], match["operator"], match["value"])


def _compare(have: str, operator: str, value: str) -> bool:
    results = {
        "=": have == value,
        "!=": have != value,
        "<": have < value,
        "<=": have <= value,
        ">": have > value,
        ">=": have >= value,
    }
    return results[operator]


def _compare_versions(have: str, operator: str, value: str) -> bool | None:
    match = _VERSION.fullmatch(value)
    if match is None:
        raise RequirementError(f"{value!r} is no version")
    left, right = numbers(have), numbers(match[1])
    if len(left) == 1 and len(right) > 1 and left[0] == right[0] and any(right[1:]):
        return None
    width = max(len(left), len(right))
    a, b = (part + (0,) * (width - len(part)) for part in (left, right))
    results = {
        "=": a == b,
        "!=": a != b,
        "<": a < b,
        "<=": a <= b,
        ">": a > b,
        ">=": a >= b,
    }
    return results[operator]
