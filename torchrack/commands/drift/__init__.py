"""``torchrack drift``: the nightly check and what belongs to it, a module a command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import typer

from torchrack.commands.default import DefaultGroup


class Commands(DefaultGroup):
    """The nightly check, and what is done about what it finds."""

    places: ClassVar[Mapping[str, str]] = {
        "check": "torchrack.commands.drift.check:check",
        "fix": "torchrack.commands.drift.fix:fix",
        "history": "torchrack.commands.drift.past:history",
        "diff": "torchrack.commands.drift.past:diff",
        "install-timer": "torchrack.commands.drift.install_timer:install_timer",
    }


app = typer.Typer(cls=Commands, add_completion=False, no_args_is_help=True)


@app.callback()
def drift() -> None:
    """What on a fleet is not as it was deployed: torchrack drift INVENTORY."""
