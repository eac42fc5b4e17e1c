"""Run operations for real on this machine, through pyinfra's own engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.operation import add_op
from pyinfra.api.operations import run_ops
from pyinfra.context import ctx_state


@dataclass(frozen=True)
class Outcome:
    """What an operation did: whether it succeeded, and how many commands it ran."""

    ok: bool
    commands: int
    stderr: str


def run_locally(operation: Callable[..., Any], **arguments: Any) -> Outcome:
    """Run one operation on ``@local`` without sudo."""
    inventory = Inventory((["@local"], {}))
    state = State(inventory, Config())
    with ctx_state.use(state):
        connect_all(state)
        meta = add_op(state, operation, **arguments)[inventory.get_host("@local")]
        try:
            run_ops(state)
        except PyinfraError:  # pyinfra says "no hosts remaining" when the only one has failed
            return Outcome(False, len(meta._commands or []), meta.stderr)
        return Outcome(meta.did_succeed(), len(meta._commands or []), meta.stderr)
