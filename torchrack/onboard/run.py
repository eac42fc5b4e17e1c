"""Onboard newcomers: each by itself as far as that goes, all at once where that is quicker.

It stands on gevent, as a deploy does. Nothing is remembered between runs: each step looks at the
host and at the fleet's files, so that a run that was ended anywhere is gone on with by the next.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from gevent.pool import Pool

from torchrack.lock.file import shown
from torchrack.onboard import together
from torchrack.onboard.asked import onward
from torchrack.onboard.credentials import Given
from torchrack.onboard.joining import Joining
from torchrack.onboard.model import STEPS, Onboarded, Step, StepName, Verdict
from torchrack.onboard.rehearsal import REHEARSED
from torchrack.onboard.steps import ALONE
from torchrack.onboard.walk import Act, walk
from torchrack.onboard.work import Shows, Terms, Work
from torchrack.runner.interrupt import interruptible

AT_ONCE = 40
"""Newcomers that are worked on at the same time."""

_LOOKING: tuple[StepName, ...] = ("login", "facts", "preflight", "contract")
_JOINING: tuple[StepName, ...] = ("admin", "inventory")
_PROOF: tuple[StepName, ...] = ("gpu", "state")
_TOGETHER: Mapping[StepName, Callable[[Sequence[Work], Terms], None]] = {
    "lock": together.lock,
    "deploy": together.deploy,
}


@dataclass(frozen=True)
class Ended:
    """A run that is over.

    Args:
        results: what came of each newcomer.
        interrupted: whether a person ended it.
        declined: whether a person did not want the hosts to be changed.
        conflict: whether there is no contract for one of them.
    """

    results: tuple[Onboarded, ...]
    interrupted: bool = False
    declined: bool = False
    conflict: bool = False

    @property
    def status(self) -> int:
        """The exit status: 130 interrupted, 2 a conflict, 1 something is not as it should be."""
        if self.interrupted:
            return 130  # a shell's for Ctrl-C
        if self.conflict:
            return 2  # certain whatever else is in the way, as in torchrack plan and lock
        bad = any(result.verdict == "not_ready" for result in self.results)
        return int(bad or self.declined)


def changes(until: StepName | None) -> bool:
    """Return whether a run that ends with a step changes a host."""
    return until is None or STEPS.index(until) >= STEPS.index("admin")


def start(
    joinings: Sequence[Joining],
    given: Mapping[str, Given | None],
    terms: Terms,
    shows: Shows,
    *,
    words: Sequence[str],
) -> Ended:
    """Take newcomers through the steps.

    Args:
        joinings: the newcomers.
        given: by name, what each is logged in to with at first.
        terms: what holds for all of them.
        shows: is told how they get on.
        words: the command with its arguments, in which no secret stands.
    """
    interrupted = declined = False
    with ExitStack() as stack:
        pins = _scratch_pins(stack, joinings) if terms.dry_run else {}
        works = [
            Work(
                joining,
                given[joining.newcomer.name],
                terms,
                shows,
                pins.get(joining.known_hosts, joining.known_hosts),
            )
            for joining in joinings
        ]
        try:
            declined = not _all(works, terms)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            for work in works:
                work.closing.close()
    return Ended(
        tuple(_result(work, words, declined=declined) for work in works),
        interrupted,
        declined,
        any(work.conflict for work in works),
    )


def _scratch_pins(stack: ExitStack, joinings: Sequence[Joining]) -> dict[Path, Path]:
    """Copies of the files of pinned keys: a dry run pins nothing for good."""
    copies: dict[Path, Path] = {}
    for file in {joining.known_hosts for joining in joinings}:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="torchrack-")))
        copies[file] = folder / "known_hosts"
        copies[file].write_text(file.read_text() if file.exists() else "")
    return copies


def _all(works: Sequence[Work], terms: Terms) -> bool:
    """Take all steps; return whether that was agreed to."""
    acts: dict[StepName, Act] = {**ALONE, **(REHEARSED if terms.dry_run else {})}
    _each(works, ["probe"], acts)
    for work in works:  # a person is asked, and no session waits meanwhile
        walk(work, ["host-key"], acts)
    _each(works, _LOOKING, acts)
    names = [work.name for work in works if work.well]
    changing = "admin" in terms.steps and not terms.dry_run
    if names and changing and terms.approve is not None and not terms.approve(names):
        return False
    _each(works, _JOINING, acts)
    for name, act in _TOGETHER.items():
        if terms.dry_run:
            _each(works, [name], acts)
        elif name in terms.steps and (well := [work for work in works if work.well]):
            with interruptible():
                act(well, terms)
    _each(works, _PROOF, acts)
    return True


def _each(works: Sequence[Work], names: Iterable[StepName], acts: Mapping[StepName, Act]) -> None:
    """Have all newcomers walk at the same time; an interruption ends the walk of each."""
    names = tuple(names)
    pool = Pool(AT_ONCE)
    with interruptible():
        try:
            for work in works:
                pool.spawn(walk, work, names, acts)
            pool.join()
        except BaseException:
            pool.kill(timeout=10)
            raise


def _result(work: Work, words: Sequence[str], *, declined: bool) -> Onboarded:
    steps = tuple(work.steps.get(name) or Step(name, "left") for name in STEPS)
    verdict = _verdict(work, declined=declined)
    if verdict == "ready":
        following = f"torchrack drift {shown(work.terms.inventory)} --host {work.name}"
    else:
        following = shlex.join(words if verdict == "not_ready" else onward(words))
    return Onboarded(work.newcomer, verdict, steps, work.details, following)


def _verdict(work: Work, *, declined: bool) -> Verdict:
    if not work.well:
        return "not_ready"
    if declined:
        return "stopped"
    if any(name not in work.steps for name in work.terms.steps):
        return "not_ready"
    if work.terms.dry_run:
        return "planned"
    return "ready" if work.terms.steps == STEPS else "stopped"
