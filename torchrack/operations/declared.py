"""What a deploy declares: its operations with their arguments, and a short hash of each.

A run notes the hashes, for the stamp; the drift check takes the operations themselves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from pathlib import PurePath
from typing import Any
from weakref import WeakKeyDictionary

from pydantic import BaseModel
from pyinfra.api.host import Host


@dataclass(frozen=True)
class Declared:
    """An operation: its name, its generator, and the generator's arguments."""

    name: str
    generator: Callable[..., Any]
    arguments: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """A short hash of the arguments: another one means that something else is declared."""
        text = json.dumps(plain(self.arguments), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


_collected: ContextVar[list[Declared] | None] = ContextVar("torchrack_declared", default=None)
_noted: WeakKeyDictionary[Host, dict[str, str]] = WeakKeyDictionary()


@contextmanager
def collecting() -> Iterator[list[Declared]]:
    """Collect the operations that are declared in this thread, in place of planning them."""
    found: list[Declared] = []
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


def collector() -> list[Declared] | None:
    """Return the list that operations go to; None in a run of pyinfra."""
    return _collected.get()


def note(host: Host, declared: Declared) -> None:
    """Keep the hash of an operation of a run."""
    _noted.setdefault(host, {})[declared.name] = declared.digest


def noted(host: Host) -> dict[str, str]:
    """Return name to hash of all operations that the run has declared for a host so far."""
    return dict(_noted.get(host, {}))


def plain(value: Any) -> Any:
    """Return a value as JSON has it, the same in every process; secrets are references anyway.

    Raises:
        TypeError: a kind of value that no operation has had for an argument so far.
    """
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    for kinds, told in _KINDS:
        if isinstance(value, kinds):
            return told(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if callable(value):
        return f"{value.__module__}.{value.__qualname__}"
    raise TypeError(f"{type(value).__name__}: no argument of an operation can be told by that")


_KINDS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (bytes, lambda value: hashlib.sha256(value).hexdigest()),
    (PurePath, str),
    (BaseModel, lambda value: value.model_dump(mode="json")),
    (Mapping, lambda value: {str(key): plain(one) for key, one in value.items()}),
    ((set, frozenset), lambda value: sorted(json.dumps(plain(one)) for one in value)),
    ((list, tuple), lambda value: [plain(one) for one in value]),
    (partial, lambda value: [plain(value.func), plain(value.args), plain(value.keywords)]),
)
"""How values of a kind are told; JSON sorts the keys."""
