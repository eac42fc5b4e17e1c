"""What a page of a verdict says, before it is Markdown or HTML: both say the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from torchrack.errors import Problem
from torchrack.onboard.model import Onboarded, Step
from torchrack.onboard.pages.blocks import Section, block
from torchrack.onboard.pages.details import Details, details_of
from torchrack.onboard.pages.hardware import hardware_sections
from torchrack.onboard.pages.proofs import proof_sections
from torchrack.onboard.pages.words import STATES, VERDICTS, duration


@dataclass(frozen=True)
class StepLine:
    """A step as it is shown; ``share`` is its part of the longest step's time, percent."""

    step: Step
    words: str
    took: str
    share: int


@dataclass(frozen=True)
class Page:
    """A page of a verdict.

    Args:
        result: what it is about.
        words: the verdict in words.
        lead: a sentence on where and when.
        problems: all that is in the way.
        steps: the steps.
        sections: facts, in their order.
    """

    result: Onboarded
    words: str
    lead: str
    problems: tuple[Problem, ...]
    steps: tuple[StepLine, ...]
    sections: tuple[Section, ...]


def page(result: Onboarded, *, inventory: str, finished: dt.datetime) -> Page:
    """Return what the page of a server says.

    Args:
        result: what came of the server.
        inventory: the fleet's inventory file, as it was named.
        finished: when the run ended, with a time zone.
    """
    newcomer, steps = result.newcomer, result.steps
    when = finished.astimezone(dt.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    took = duration(sum(step.seconds for step in steps))
    longest = max((step.seconds for step in steps), default=0.0) or 1.0
    return Page(
        result=result,
        words=VERDICTS[result.verdict],
        lead=f"{newcomer.address}, port {newcomer.port}, for {inventory}. "
        f"Onboarding took {took} and ended on {when}.",
        problems=tuple(dict.fromkeys(problem for step in steps for problem in step.problems)),
        steps=tuple(
            StepLine(
                step,
                STATES[step.state],
                "" if step.state == "left" else duration(step.seconds),
                round(100 * step.seconds / longest),
            )
            for step in steps
        ),
        sections=tuple(_sections(details_of(result))),
    )


def _sections(details: Details) -> Iterator[Section]:
    for heading, value in details.facts.items():
        yield Section(heading, (block(value),))
    yield from proof_sections(details)
    yield from hardware_sections(details)
