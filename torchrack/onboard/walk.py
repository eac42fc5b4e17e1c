"""One newcomer's walk through steps: timed, told, and ended by the first that fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from paramiko import SSHException

from torchrack.errors import HostError, Problem, ProblemsError, TorchrackError
from torchrack.lock.file import shown
from torchrack.onboard.model import Step, StepName, StepState
from torchrack.onboard.work import Said, Work

Act = Callable[[Work], Said]

INTERRUPTED = "interrupted"
"""What is said of a step that a person ended."""


def walk(work: Work, names: Iterable[StepName], acts: Mapping[StepName, Act]) -> None:
    """Take steps in order, as far as they are asked for, until one fails.

    Args:
        work: the newcomer.
        names: the steps.
        acts: what each is done by.
    """
    for name in names:
        if not work.well or name not in work.terms.steps:
            return
        take(work, name, acts[name])


def take(work: Work, name: StepName, act: Act) -> None:
    """Take one step, and keep what came of it.

    Args:
        work: the newcomer.
        name: the step.
        act: does it.
    """
    with recording([work], name) as keep:
        said = act(work)
        keep(work, said.state, said.text)


class Keep(Protocol):
    """Keeps what came of a step for one newcomer."""

    def __call__(
        self, work: Work, state: StepState, said: str, problems: Sequence[Problem] = ()
    ) -> None:
        """Keep it."""


@contextmanager
def recording(works: Sequence[Work], name: StepName) -> Iterator[Keep]:
    """Keep what comes of a step that newcomers take, whatever is raised.

    What is raised concerns all of them for which nothing has been kept yet. An interruption goes on
    to the caller.

    Args:
        works: the newcomers.
        name: the step.
    """
    begun = time.monotonic()

    def keep(work: Work, state: StepState, said: str, problems: Sequence[Problem] = ()) -> None:
        step = Step(name, state, said, time.monotonic() - begun, tuple(problems))
        work.steps[name] = step
        work.shows.ended(work.name, step)

    for work in works:
        work.shows.step(work.name, name)
    try:
        yield keep
    except (Exception, SystemExit) as error:  # what ails one newcomer must not stop the others
        for work in (work for work in works if name not in work.steps):
            problems = _problems(work, name, error)
            keep(work, "failed", problems[0].found, problems)
    except BaseException:
        for work in (work for work in works if name not in work.steps):
            keep(work, "left", INTERRUPTED)
        raise


def _problems(work: Work, name: StepName, error: BaseException) -> tuple[Problem, ...]:
    if isinstance(error, ProblemsError) and error.problems:
        return tuple(error.problems)
    if isinstance(error, HostError):
        return (error.problem,)
    again = "run the same command again: it goes on from here"
    what = f"Step {name}"
    if isinstance(error, TorchrackError):
        return (Problem(work.name, what, str(error), "a step that ends well", again),)
    if isinstance(error, SystemExit):  # an inventory's own, or check_fleet's, which has told more
        fix = f"mend {shown(work.terms.inventory)} or its hosts file, and {again}"
        return (Problem(work.name, what, str(error.code), "an inventory that can be read", fix),)
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, (SSHException, EOFError, TimeoutError, ConnectionError)):
        found, needed = f"a connection that ended ({said})", "an SSH connection that lasts"
        fix = f"see whether the host is up and reachable, and {again}"
    elif isinstance(error, OSError):
        found, needed = said, "files and folders that can be used"
        fix = f"mend that on this machine, and {again}"
    else:
        found, needed = said, "a step that ends well"
        fix = "this is a fault of Torchrack: report it"
    return (Problem(work.name, what, found, needed, fix),)
