"""One question to the resolver: facts, wishes and tables, with what follows from them at once."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

from torchrack.contract.model import AUTO, Conflict, Facts, ImageWish, Wishes
from torchrack.gpus import Gpu
from torchrack.knowledge import Knowledge


@dataclass(frozen=True, eq=False)
class Case:
    """A host with its settings, before the tables; ``today`` decides what has ended."""

    facts: Facts
    wishes: Wishes
    known: Knowledge
    today: dt.date

    @cached_property
    def gpus(self) -> tuple[Gpu, ...]:
        """The different GPUs of the host that the table knows, by device id."""
        found = (self.known.gpu(device) for device in sorted({d.lower() for d in self.facts.gpus}))
        return tuple(gpu for gpu in found if gpu is not None)

    @cached_property
    def unknown(self) -> tuple[str, ...]:
        """Device ids that the table does not know."""
        return tuple(
            d for d in sorted({d.lower() for d in self.facts.gpus}) if self.known.gpu(d) is None
        )

    @cached_property
    def images(self) -> tuple[ImageWish, ...]:
        """The wished images, in one order whatever order they were named in."""
        return tuple(sorted(set(self.wishes.images), key=repr))

    @cached_property
    def wished_branch(self) -> int | None:
        """The driver branch that is asked for, or None where it is left open."""
        if self.wishes.driver == AUTO:
            return None
        return int(self.wishes.driver.partition(".")[0])

    @cached_property
    def wished_version(self) -> str | None:
        """The exact driver version that is asked for, or None."""
        return self.wishes.driver if "." in self.wishes.driver else None

    def conflict(self, rule: str, reason: str) -> Conflict:
        """Return a conflict (or a warning) with the source of its rule."""
        source = self.known.sources[self.known.rules[rule].source]
        return Conflict(rule, reason, str(source), source.url)


def names(gpus: tuple[Gpu, ...]) -> str:
    """Return the products of GPUs for a sentence, each once."""
    return ", ".join(dict.fromkeys(gpu.product for gpu in gpus))
