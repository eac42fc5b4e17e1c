"""``torchrack data``: the knowledge tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from torchrack import gpus
from torchrack.commands.fleet import fleet_tables
from torchrack.knowledge import builtin
from torchrack.knowledge.check import problems, unchecked

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def data() -> None:
    """The tables that the contract is resolved from."""


@app.command("check")
def check(
    inventory: Annotated[
        Path | None, typer.Argument(help="an inventory whose own rows are checked with the tables")
    ] = None,
) -> None:
    """Check that the tables agree with each other; exit status 2 when they do not."""
    known = fleet_tables(inventory, "data check") if inventory else builtin()
    found = problems(known)
    for problem in found:
        typer.echo(problem, err=True)
    if found:
        typer.echo(f"{len(found)} problem(s) in torchrack/knowledge", err=True)
        raise typer.Exit(2)
    typer.echo(
        f"The tables are consistent: {sum(1 for _ in gpus.all_gpus())} GPUs ({gpus.source()}), "
        f"{len(known.branches)} driver branches, {len(known.cuda)} CUDA toolkits, "
        f"{len(known.releases)} PyTorch releases, {len(known.rules)} rules, "
        f"{len(known.sources)} sources."
    )
    rows = unchecked(known)
    if rows:
        typer.echo(f"{len(rows)} rows were not compared with their source in all they say:")
    for row in rows:
        typer.echo(f"  {row}")
