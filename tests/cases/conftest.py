"""Each case says where it was met; those that need a server are marked ``lab``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["tests.lab.fixtures", "tests.unit.plan", "tests.budget"]

HERE = Path(__file__).parent
FIELDS = ("Reference", "Kind")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a case without its reference and kind, and mark those that need a server."""
    for item in items:
        if HERE not in item.path.parents or not isinstance(item, pytest.Function):
            continue
        text = item.module.__doc__ or ""
        for field in FIELDS:
            if not re.search(rf"^{field}: \S", text, re.MULTILINE):
                raise pytest.UsageError(f"{item.path}: its docstring has no line '{field}: ...'")
        if "bare_lab" in item.fixturenames:
            item.add_marker("lab")
