"""How grave a finding is."""

from __future__ import annotations

from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import Any

from torchrack import safe_yaml
from torchrack.drift.model import Severity


def severity_of(finding_id: str) -> Severity:
    """Return the severity of a finding by its id: the first row of severity.yml that fits."""
    rows = (row["severity"] for row in _table() if _fits(finding_id, row["ids"]))
    severity: Severity = next(rows)
    return severity


def _fits(finding_id: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(finding_id, pattern) for pattern in patterns)


@cache
def _table() -> list[dict[str, Any]]:
    text = resources.files("torchrack.drift").joinpath("severity.yml").read_text(encoding="utf-8")
    table: list[dict[str, Any]] = safe_yaml.load(text)
    return table
