"""Which operations of several hosts are one, and the order in which a run takes them.

pyinfra names an operation by the line numbers of the calls that lead to it, without their files,
and by how often a host had them before. Hosts that run different stages, branches or rounds of a
loop then give one name to different operations, which are shown and run as one; or their orders
contradict each other, and nothing runs ("Cycle detected in operation ordering DAG",
https://github.com/pyinfra-dev/pyinfra/issues/859 and 1494).

Here the name has the files and the stage, and an operation that another host had earlier than what
this one had last is another operation: orders never contradict each other.
"""

from __future__ import annotations

import hashlib
import heapq
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib import import_module
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import pyinfra
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.api.util import PYINFRA_INSTALL_DIR
from pyinfra.context import ctx_state

Site = tuple[Any, ...]
"""Where an operation is called: the stage's number, then file and line of each call."""
Key = tuple[int, ...]
"""What operations are sorted by where hosts leave the order open."""

_stage: ContextVar[int] = ContextVar("torchrack_stage", default=-1)


@contextmanager
def stage(number: int) -> Iterator[None]:
    """Have operations that are declared meanwhile belong to a stage.

    Args:
        number: the stage's place in the deploy file.
    """
    token = _stage.set(number)
    try:
        yield
    finally:
        _stage.reset(token)


@dataclass
class Order:
    """The operations of a run; ``before``: each with those that some host has right before it."""

    before: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    names: dict[tuple[str, str], str] = field(default_factory=dict)

    def place(self, last: str | None, site: Site) -> tuple[str, int]:
        """Return the operation that a host declares next, by its hash and its number at the site.

        Args:
            last: the operation that the host declared before, None for its first.
            site: where this one is called.
        """
        earlier: Collection[str] | None = None
        for number in count():
            operation = hashlib.sha256(repr((site, number)).encode()).hexdigest()[:40]
            there = self.before[operation]
            if last is None or last in there:
                break
            earlier = self._until(last) if earlier is None else earlier
            if operation not in earlier:
                there.add(last)
                break
        return operation, number

    def sorted(self, operations: Collection[str], keys: dict[str, Key]) -> list[str]:
        """Return operations so that each host's own order holds, by their keys where it is open."""
        waits = {one: {other for other in self.before[one] if other in keys} for one in operations}
        then: dict[str, list[str]] = {}
        for one, others in waits.items():
            for other in others:
                then.setdefault(other, []).append(one)
        ready = [(keys[one], one) for one, others in waits.items() if not others]
        heapq.heapify(ready)
        found = []
        while ready:
            _, one = heapq.heappop(ready)
            found.append(one)
            for later in then.get(one, ()):
                waits[later].discard(one)
                if not waits[later]:
                    heapq.heappush(ready, (keys[later], later))
        return found

    def _until(self, last: str) -> set[str]:
        """Return an operation and all that some host has before it."""
        found, look = {last}, [last]
        while look:
            new = self.before[look.pop()] - found
            found |= new
            look += new
        return found


_orders: WeakKeyDictionary[State, Order] = WeakKeyDictionary()


def name_of(state: State, host: Host, operation: str) -> str:
    """Return the name that a host has for an operation; others may have other names for it.

    Args:
        state: the run.
        host: the host.
        operation: the operation's hash.
    """
    return _orders[state].names[host.name, operation]


def _declare(names: Collection[str], state: State, host: Host) -> tuple[Key, str]:
    """Do what pyinfra's ``solve_operation_consistency`` does: name and place an operation."""
    if not pyinfra.is_cli:
        return _theirs(names, state, host)  # type: ignore[no-any-return]
    order = _orders.setdefault(ctx_state.get(), Order())  # what is passed here is a proxy
    calls, place = _calls(state.current_deploy_filename), (_stage.get(), *host.loop_position)
    site: Site = (state.current_op_file_number, place, *calls)
    if state.is_executing:  # one that another operation calls; it is run at once, here alone
        site = (host.name, *site)
    operation, number = order.place(host.op_hash_order[-1] if host.op_hash_order else None, site)
    order.names[host.name, operation] = ", ".join(sorted(names))
    host.op_hash_order.append(operation)
    lines = [line for _, line in calls]
    key = (state.current_op_file_number, *lines[:1], *place, *lines[1:], number)
    return key, operation


def _calls(deploy_file: str | None) -> list[tuple[str, int]]:
    """Return file and line of the calls that lead here, from the deploy file on."""
    calls: list[tuple[str, int]] = []
    first = None
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(PYINFRA_INSTALL_DIR):
            calls.append((file, frame.f_lineno))
            first = len(calls) if file == deploy_file else first
        frame = frame.f_back  # type: ignore[assignment]
    return calls[:first][::-1]


def _op_order(state: State) -> list[str]:
    """Do what pyinfra's ``State.get_op_order`` does: stage after stage, as hosts declared them."""
    order = _orders.get(state)
    if order is None:
        return _their_order(state)  # type: ignore[no-any-return]
    found = dict.fromkeys(one for host in state.inventory for one in host.op_hash_order)
    return order.sorted(found, {one: state.op_meta[one].op_order for one in found})


# The function of this name hides the module in its package.
_module: Any = import_module("pyinfra.api.operation")
_theirs: Any = _module.solve_operation_consistency
_their_order: Any = State.get_op_order
_module.solve_operation_consistency = _declare
State.get_op_order = _op_order  # type: ignore[method-assign]
