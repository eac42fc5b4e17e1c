"""The command ``torchrack``: subcommands in torchrack/commands, a module each."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from typing import Annotated

import typer

from torchrack.commands import data, drift
from torchrack.commands.deploy import deploy
from torchrack.commands.doctor import doctor
from torchrack.commands.explain import explain
from torchrack.commands.init import init
from torchrack.commands.lock import lock
from torchrack.commands.onboard import onboard
from torchrack.commands.plan import plan
from torchrack.errors import TorchrackError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="GPU servers from bare to running PyTorch, declared, proven and kept.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"torchrack {version_of('torchrack')}")
        raise typer.Exit


@app.callback()
def torchrack(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """GPU servers from bare to running PyTorch, declared, proven and kept."""


app.command("init")(init)
app.command("doctor")(doctor)
app.command("explain")(explain)
app.command("plan")(plan)
app.command("lock")(lock)
app.command("deploy")(deploy)
app.command("onboard")(onboard)
app.add_typer(drift.app, name="drift")
app.add_typer(data.app, name="data")


def main() -> None:
    """Run the command; errors that are for the user end in their message, without a traceback."""
    try:
        app()
    except TorchrackError as error:
        sys.stderr.write(f"torchrack: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
