"""What happens on the hosts while pyinfra runs, kept and passed on to whoever shows it."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol

from pyinfra.api.host import Host
from pyinfra.api.operation import OperationMeta
from pyinfra.api.state import BaseStateCallback, State

from torchrack import difference, ordering
from torchrack.difference import Difference
from torchrack.errors import Problem
from torchrack.line import FIX, lost
from torchrack.runner.model import Change, Failure


class Listener(Protocol):
    """What shows a run; all of it is called while the run goes on."""

    def planned(self, host: str) -> None:
        """A host's operations are known."""

    def began(self, stage: str, operation: str) -> None:
        """An operation begins on all hosts that have it."""

    def changed(self, change: Change) -> None:
        """An operation changed a host."""

    def failed(self, failure: Failure) -> None:
        """A host is out of the run."""

    def said(self, message: str) -> None:
        """An operation, or pyinfra, has something to say."""


def parts(name: str) -> tuple[str, str]:
    """Return stage and operation of an operation's full name, "driver | Install the driver"."""
    stage, mark, operation = name.partition(" | ")
    return (stage, operation) if mark else ("", name)


class Watch(BaseStateCallback):
    """Keeps changes and failures by host."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.changes: dict[str, list[Change]] = defaultdict(list)
        self.failures: dict[str, Failure] = {}
        self.seconds: dict[str, float] = defaultdict(float)
        self.at: dict[str, str] = {}
        self._begun: dict[tuple[str, str], tuple[float, ExitStack, list[Difference]]] = {}

    def fail(self, host: str, name: str, message: str) -> None:
        """Note why a host is out of the run; the first reason counts."""
        if host not in self.failures:
            self.failures[host] = Failure(host, *parts(name), message)
            self.listener.failed(self.failures[host])

    def host_connect_error(self, _state: State, host: Host, error: Exception) -> None:
        """Note a host that can't be reached."""
        message = str(error).removeprefix("StrictPolicy: ")
        self.fail(host.name, "connect | ", f"{message}. See that the host is up, and its host key")

    def operation_start(self, state: State, op_hash: str) -> None:
        """Tell that an operation begins."""
        names: Any = state.get_op_meta(op_hash).names
        stages, operations = zip(*map(parts, sorted(names)), strict=True)
        self.listener.began(stages[0], ", ".join(operations))

    def operation_host_start(self, state: State, host: Host, op_hash: str) -> None:
        """Listen to what the operation finds to differ."""
        if op_hash in state.ops[host]:
            stack = ExitStack()
            heard = stack.enter_context(difference.collecting())
            self._begun[host.name, op_hash] = time.monotonic(), stack, heard
            self.at[host.name] = ordering.name_of(state, host, op_hash)

    def operation_host_success(
        self, _state: State, host: Host, op_hash: str, retry_count: int = 0
    ) -> None:
        """Stop listening."""
        self._ended(host, op_hash)

    def operation_host_error(
        self, _state: State, host: Host, op_hash: str, retry_count: int = 0, max_retries: int = 0
    ) -> None:
        """Stop listening."""
        self._ended(host, op_hash)

    def operation_end(self, state: State, op_hash: str) -> None:
        """Keep what the operation did; its result is complete only now."""
        for host in state.inventory:
            begun = self._begun.pop((host.name, op_hash), None)
            if begun is None:
                continue
            name = ordering.name_of(state, host, op_hash)
            seconds, heard = begun[0], begun[2]
            meta = state.ops[host][op_hash].operation_meta
            self.seconds[host.name] += seconds
            if not meta.did_succeed():
                self.fail(host.name, name, _reason(host, name, meta))
                # The commands before the one that failed have changed the host.
                if len(meta._commands or ()) > 1:
                    self._changed(Change(host.name, *parts(name), (), seconds))
            elif meta.did_change():
                self._changed(Change(host.name, *parts(name), tuple(heard), seconds))
            self.at.pop(host.name, None)

    def _changed(self, change: Change) -> None:
        self.changes[change.host].append(change)
        self.listener.changed(change)

    def run_ended(self, state: State) -> None:
        """Keep what the last operation did where all hosts failed: pyinfra tells no end of it."""
        for op_hash in {op_hash for _, op_hash in self._begun}:
            self.operation_end(state, op_hash)

    def _ended(self, host: Host, op_hash: str) -> None:
        begun = self._begun.get((host.name, op_hash))
        if begun is not None:
            begun[1].close()
            taken = time.monotonic() - begun[0]
            self._begun[host.name, op_hash] = (taken, *begun[1:])


class Said(logging.Handler):
    """Passes on what operations say, without pyinfra's own running commentary."""

    def __init__(self, said: Callable[[str], None]) -> None:
        super().__init__()
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        """Pass on warnings, errors, and what was said in the name of a host."""
        commentary = record.funcName in ("connect", "disconnect", "run_host_op", "_run_host_op")
        if record.levelno >= logging.WARNING or (record.module == "host" and not commentary):
            self._said(record.getMessage().strip())


def _reason(host: Host, name: str, meta: OperationMeta) -> str:
    """Why an operation failed: a line that died, or its last words."""
    if said := lost(host):
        what = f"Connection during {parts(name)[1]}"
        return str(Problem(host.name, what, said, "an SSH connection that lasts", FIX))
    words = [line for line in (*meta.stderr_lines, *meta.stdout_lines) if line.strip()]
    return "\n".join(words[-5:]) or "failed without a word"
