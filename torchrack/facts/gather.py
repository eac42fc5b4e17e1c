"""Read a fact, or stop this host."""

from __future__ import annotations

from typing import Any, TypeVar

from pyinfra import host, state
from pyinfra.api.facts import FactBase

from torchrack import line
from torchrack.context import current_host
from torchrack.errors import HostError, Problem
from torchrack.facts import answers

T = TypeVar("T")


def gather(fact: type[FactBase[T]], **arguments: Any) -> T:
    """Return a fact of the current host.

    pyinfra goes on with a fact's default when its command fails, so that one odd answer would plan
    changes that nobody meant; here the host stops instead.

    Args:
        fact: the fact's class.
        arguments: the fact's arguments and pyinfra's global ones (``_timeout``...).

    Raises:
        HostError: the command failed, or its output could not be understood.
    """
    fetched = answers.current()
    if fetched is not None:
        return fetched.read(fact, arguments)
    data = host.get_fact(fact, **arguments)
    if current_host() in state.failed_hosts:
        if said := line.lost(current_host()):
            needed = "an SSH connection that lasts"
            raise HostError(Problem(host.name, f"Fact {fact.__name__}", said, needed, line.FIX))
        raise HostError(
            Problem(
                where=host.name,
                what=f"Fact {fact.__name__}",
                found="a command that failed (its output stands above)",
                needed="an answer",
                fix="run the command on the host by hand, mend its cause, and run again",
            )
        )
    return data
