"""Fixtures of the unit tests."""

from __future__ import annotations

import pytest

from tests.unit.plan import Plan, make_plan


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """``plan(operation, fact, **arguments)``: what the operation would run."""
    return make_plan(monkeypatch)
