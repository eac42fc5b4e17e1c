"""Each case says where it was met; those that need a server are marked ``lab``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from gevent import monkey

pytest_plugins = ["tests.lab.fixtures", "tests.unit.plan", "tests.budget"]

HERE = Path(__file__).parent
FIELDS = ("Reference", "Kind")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a case without its reference and kind, and mark those that need a server.

    A module that imports pyinfra_cli replaces the threads of all tests by gevent's, and some wait
    for ever then.
    """
    if monkey.is_module_patched("threading"):
        raise pytest.UsageError("a test imports pyinfra_cli: do that in a process of its own")
    for item in items:
        if HERE not in item.path.parents or not isinstance(item, pytest.Function):
            continue
        text = item.module.__doc__ or ""
        for field in FIELDS:
            if not re.search(rf"^{field}: \S", text, re.MULTILINE):
                raise pytest.UsageError(f"{item.path}: its docstring has no line '{field}: ...'")
        if "bare_lab" in item.fixturenames:
            item.add_marker("lab")
