"""``torchrack drift``: the nightly check and what belongs to it, a module a command."""

from __future__ import annotations

import typer

from torchrack.commands.default import DefaultGroup
from torchrack.commands.drift.check import check
from torchrack.commands.drift.fix import fix
from torchrack.commands.drift.install_timer import install_timer
from torchrack.commands.drift.past import diff, history

app = typer.Typer(
    cls=DefaultGroup,
    no_args_is_help=True,
    help="What on a fleet is not as it was deployed: torchrack drift INVENTORY.",
)
app.command("check")(check)
app.command("fix")(fix)
app.command("history")(history)
app.command("diff")(diff)
app.command("install-timer")(install_timer)
