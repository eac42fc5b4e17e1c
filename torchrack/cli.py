"""The command ``torchrack``: subcommands in torchrack/commands, a module each."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import version as version_of
from typing import Annotated, Any, ClassVar

import typer

from torchrack.commands.lazy import LazyGroup


class Commands(LazyGroup):
    """The subcommands, in the order in which ``--help`` lists them."""

    places: ClassVar[Mapping[str, str]] = {
        "init": "torchrack.commands.init:init",
        "doctor": "torchrack.commands.doctor:doctor",
        "explain": "torchrack.commands.explain:explain",
        "plan": "torchrack.commands.plan:plan",
        "lock": "torchrack.commands.lock:lock",
        "onboard": "torchrack.commands.onboard:onboard",
        "adopt": "torchrack.commands.adopt:adopt",
        "offboard": "torchrack.commands.offboard:offboard",
        "deploy": "torchrack.commands.deploy:deploy",
        "drift": "torchrack.commands.drift:app",
        "data": "torchrack.commands.data:app",
    }


# click's own status for a wrong command line is 2. The class is found through typer, whose newer
# versions carry a click of their own.
_UsageError: Any = typer.BadParameter.__mro__[1]
_UsageError.exit_code = 1

app = typer.Typer(
    cls=Commands,
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


def main() -> None:
    """Run the command; errors that are for the user end in their message, without a traceback.

    Exit status: 1 for whatever kept a command from its answer, a mistyped option included. 2 is an
    answer (drift, a conflict), which the unit of the nightly check takes for success.
    """
    from torchrack.errors import TorchrackError  # noqa: PLC0415 - brings pyinfra with it

    try:
        app()
    except TorchrackError as error:
        sys.stderr.write(f"torchrack: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
