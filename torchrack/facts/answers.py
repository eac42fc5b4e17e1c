"""Facts out of answers that were fetched before, in place of a command for each.

The drift check runs the operations of a deploy as far as their first command. It asks a host for
all their facts at once, and lets :func:`torchrack.facts.gather.gather` read from what came back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from pyinfra.api.exceptions import FactProcessError
from pyinfra.api.facts import FactBase

from torchrack.errors import HostError, Problem

T = TypeVar("T")

SECONDS = 30
"""How long a fact's command may take where it does not say."""


@dataclass(frozen=True)
class Request:
    """A fact's command, and how long it may take, seconds."""

    command: str
    seconds: int


@dataclass(frozen=True)
class Output:
    """What a command printed, in lines, and its exit status (124: it took too long)."""

    status: int
    lines: list[str]


class Missing(BaseException):
    """A fact that nobody has asked the host for yet. No error: nothing must catch it on the way."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.command)
        self.request = request


class FactError(HostError):
    """A fact that could not be had, so that nothing can be said of what depends on it."""


class Answers:
    """Outputs of commands on one host."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.used: set[str] = set()
        """Commands whose output was read."""
        self._outputs: dict[str, Output] = {}

    def add(self, outputs: dict[str, Output]) -> None:
        """Take up outputs by command."""
        self._outputs.update(outputs)

    def read(self, fact: type[FactBase[T]], arguments: dict[str, Any]) -> T:
        """Return a fact.

        Raises:
            Missing: its command has not been run.
            FactError: its command failed, or its output could not be understood.
        """
        given = {name: value for name, value in arguments.items() if not name.startswith("_")}
        asked = fact()  # one object: some facts note in it what they asked
        request = Request(str(asked.command(**given)), int(arguments.get("_timeout", SECONDS)))
        output = self._outputs.get(request.command)
        if output is None:
            raise Missing(request)
        self.used.add(request.command)
        if output.status != 0:
            late = "a command that took too long" if output.status in (124, 137) else "a command"
            raise self._error(fact, f"{late} with exit status {output.status}")
        try:
            return asked.process(output.lines) if output.lines else asked.default()
        except (FactProcessError, ValueError, KeyError, IndexError, TypeError) as error:
            raise self._error(fact, f"an answer that makes no sense ({error})") from error

    def _error(self, fact: type[FactBase[Any]], found: str) -> FactError:
        fix = "look at the host: what depends on this fact could not be checked"
        return FactError(Problem(self.host, f"Fact {fact.__name__}", found, "an answer", fix))


_answers: ContextVar[Answers | None] = ContextVar("torchrack_answers", default=None)


def current() -> Answers | None:
    """Return the answers to read from; None where facts are asked for one by one."""
    return _answers.get()


@contextmanager
def reading(answers: Answers) -> Iterator[None]:
    """Read facts from answers, in this thread, until it ends."""
    token = _answers.set(answers)
    try:
        yield
    finally:
        _answers.reset(token)
