"""Options of the test suites."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("torchrack")
    group.addoption("--inventory", help="the fleet that tests/state looks at")
    group.addoption("--limit", help="only these hosts of it, separated by commas")
    group.addoption("--workload-key", help="private key that may log in to the SSH workloads")
