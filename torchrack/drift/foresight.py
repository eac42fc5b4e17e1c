"""Which facts a host will be asked for next, so that they go over in the same trip.

A look finds one fact an operation at a time: it stops at the first that is missing. Here the
operations go on with a guess in its place, and what they ask for on the way is noted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

from pyinfra.api.facts import FactBase
from pyinfra.context import ctx_host
from pyinfra.facts.files import FileContents

from torchrack.drift.stand_in import HostStandIn
from torchrack.facts import answers
from torchrack.facts.answers import Answers, Missing, Request
from torchrack.facts.clock import OtherClock
from torchrack.facts.files import Files
from torchrack.facts.packages import Package, Packages
from torchrack.facts.units import Unit
from torchrack.facts.upgrades import AptConfig
from torchrack.operations import declared
from torchrack.run import Stage

T = TypeVar("T")

_GUESSES: dict[type[FactBase[Any]], Callable[..., Any]] = {
    AptConfig: lambda **_: None,
    FileContents: lambda **_: None,
    Files: lambda paths: dict.fromkeys(paths, None),
    OtherClock: lambda **_: "",
    Packages: lambda names: {name: Package("", installed=True, held=True) for name in names},
    Unit: lambda **_: None,
}
"""Facts that cost a host some milliseconds, so that one too many does no harm (a simulation of apt
takes seconds), and what is guessed for them from their arguments."""
_COMMANDS = 50
"""Commands of an operation that are passed over to see its further facts."""


class _Ahead(Answers):
    """Answers with a guess where a cheap fact is missing; ``asked`` is what they guessed."""

    def __init__(self, known: Answers) -> None:
        super().__init__(known.host)
        self.asked: list[Request] = []
        self._outputs = known._outputs

    def read(self, fact: type[FactBase[T]], arguments: dict[str, Any]) -> T:
        try:
            return super().read(fact, arguments)
        except Missing as missing:
            if fact not in _GUESSES:
                raise
            self.asked.append(missing.request)
            given = {name: value for name, value in arguments.items() if name[0] != "_"}
            guess: T = _GUESSES[fact](**given)
            return guess


def foresee(stages: Sequence[Stage], known: Answers, host: HostStandIn) -> list[Request]:
    """Return facts that a look will probably need.

    Args:
        stages: the stages of the deploy, without preflight.
        known: the host's answers so far.
        host: a host of its own: what is noted of it is guessed, and must not be looked at again.
    """
    ahead = _Ahead(known)
    with ctx_host.use(host), answers.reading(ahead):
        for stage in stages:
            with declared.collecting() as operations, suppress(Missing, Exception):
                getattr(stage, "_inner", stage)()
            for operation in operations:
                with suppress(Missing, Exception):  # commands that nobody ran have no results
                    deque(islice(operation.generator(**operation.arguments), _COMMANDS), maxlen=0)
    return ahead.asked
