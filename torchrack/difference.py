"""What an operation found to differ, said while it decides: for reports, never for decisions.

An operation calls :func:`differs` for each thing that is not as declared, before it yields the
command that mends it. A run keeps what was said (:func:`collecting`); where nobody listens the
calls cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from pyinfra.api.host import Host


@dataclass(frozen=True)
class Difference:
    """One thing on a host that is not as declared.

    Args:
        resource: kind and name, the same from run to run: "file:/etc/docker/daemon.json",
            "package:docker-ce", "unit:docker.service", "container:notebook", "image:pytorch".
        aspect: what about it ("content", "mode", "version", "held", "running", "enabled"...).
        expected: what is declared, for people; no secret in it.
        actual: what is there, for people; no secret in it.
        diff: a unified diff of text, empty where there is none or it is secret.
    """

    resource: str
    aspect: str
    expected: str
    actual: str
    diff: str = ""


_heard: ContextVar[list[Difference] | None] = ContextVar("torchrack_differences", default=None)


def differs(resource: str, aspect: str, *, expected: str, actual: str, diff: str = "") -> None:
    """Say that something on the current host is not as declared; the arguments are Difference's."""
    heard = _heard.get()
    if heard is not None:
        heard.append(Difference(resource, aspect, expected, actual, diff))


@contextmanager
def collecting() -> Iterator[list[Difference]]:
    """Collect what is said in this context (a thread or greenlet) until it ends."""
    heard: list[Difference] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


_planned: WeakKeyDictionary[Host, dict[str, tuple[Difference, ...]]] = WeakKeyDictionary()


def keep(host: Host, operation: str, said: Iterable[Difference]) -> None:
    """Keep what an operation said while a run was planned, by the operation's hash."""
    _planned.setdefault(host, {})[operation] = tuple(said)


def planned(host: Host, operation: str) -> tuple[Difference, ...]:
    """Return what an operation said while the run was planned."""
    return _planned.get(host, {}).get(operation, ())
