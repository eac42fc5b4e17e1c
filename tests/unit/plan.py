"""What an operation would run, given what the host's facts say."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.context import ctx_host, ctx_state

Plan = Callable[..., list[str]]


def make_plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Return ``plan(operation, fact, **arguments)``, which gives the commands as text."""

    def plan(operation: Any, fact: Any, **arguments: Any) -> list[str]:
        module = importlib.import_module(operation.__module__)
        monkeypatch.setattr(module, "gather", lambda *_, **__: fact)
        inventory = Inventory((["@fake/gpu01"], {}))
        state = State(inventory, Config())
        with ctx_state.use(state), ctx_host.use(inventory.get_host("@fake/gpu01")):
            return [str(command) for command in operation._inner(**arguments)]

    return plan


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """``plan(operation, fact, **arguments)``: what the operation would run."""
    return make_plan(monkeypatch)
