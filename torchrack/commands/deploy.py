"""``torchrack deploy``: run deploy.py on a fleet, and say what came of it."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from torchrack.commands.fleet import deploy_of, locked
from torchrack.report import console
from torchrack.run import ALWAYS, name_of, stages_of
from torchrack.runner.model import STATUS, Outcome
from torchrack.runner.output import as_data, closing, line, summary
from torchrack.runner.progress import Show


def deploy(
    inventory: Annotated[Path, typer.Argument(help="the fleet's inventory file")],
    *,
    limit: Annotated[
        list[str] | None, typer.Option("--limit", help="only these hosts, separated by commas")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="only these stages, separated by commas")
    ] = None,
    deploy_file: Annotated[
        Path | None,
        typer.Option("--deploy", help="the deploy file that is run (the one of the fleet)"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="show what would change, and change nothing")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not show a plan and ask")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="show what files change to")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="print JSON for machines, with diffs")
    ] = False,
) -> None:
    """Bring hosts to what deploy.py declares; a second run changes nothing.

    The same as pyinfra INVENTORY deploy.py, with a plan first, progress, a summary, and an exit
    status that can be relied on. A host that fails or can't be reached does not stop the others.

    Exit status: 0 all hosts are as declared (or the plan was made), 1 a host failed or was not
    reached, nothing was confirmed or the input is wrong, 130 interrupted.
    """
    if not (yes or dry_run or sys.stdin.isatty()):
        _refuse("nobody can be asked here: give --yes, or --dry-run to see the plan")
    fleet = locked(inventory, "deploy", limit or [])
    chosen = deploy_of(inventory, deploy_file, "deploy")
    stages = _stages(chosen, only or [])
    run_ordered(
        inventory,
        chosen,
        {host.name: stages for host in fleet},
        dry_run=dry_run,
        yes=yes,
        diff=diff,
        as_json=as_json,
    )


def run_ordered(
    inventory: Path,
    deploy_file: Path,
    stages: dict[str, frozenset[str]],
    *,
    dry_run: bool,
    yes: bool,
    diff: bool,
    as_json: bool,
) -> None:
    """Run a deploy file on hosts, show it, and end with its exit status.

    Args:
        inventory: the inventory's file.
        deploy_file: the deploy file.
        stages: host to the stages that are run there, all where there are none.
        dry_run: make the plan only.
        yes: do not make a plan first, and do not ask.
        diff: show what files change to.
        as_json: print JSON in the place of the summary.

    Raises:
        typer.Exit: always; with the exit status of the run.
    """
    # gevent has patched the standard library by now, which this import relies on.
    from torchrack.runner.run import Order, run  # noqa: PLC0415

    signal.signal(signal.SIGTERM, _interrupt)
    known = tuple(name for name in map(name_of, stages_of(deploy_file)) if name not in ALWAYS)
    plans: list[Outcome] = []
    with Show(console(), len(stages), known) as show:

        def approve(plan: Outcome) -> bool:
            plans.append(plan)
            if dry_run or not plan.changes:
                return False
            show.pause()
            _print_plan(plan)
            agreed = typer.confirm(f"Apply this to {len(stages)} host(s)?", err=True)
            show.resume()
            return agreed

        ask = None if yes and not dry_run else approve
        outcome = run(Order(inventory, deploy_file, stages, ask, diff or as_json), show)
    if plans and outcome.verdict in ("planned", "failed") and not outcome.changes:
        outcome = plans[0]
        if dry_run and not as_json:
            _print_plan(outcome)
    unconfirmed = bool(plans) and not dry_run and outcome.verdict == "planned" and outcome.changes
    if as_json:
        typer.echo(json.dumps(as_data(outcome), indent=2))
    elif unconfirmed:
        typer.echo("Not confirmed: nothing was changed.", err=True)
    elif outcome.refused:
        typer.echo(f"torchrack deploy: {closing(outcome)}", err=True)
    else:
        console(stderr=False).print(summary(outcome))
    raise typer.Exit(1 if unconfirmed else STATUS[outcome.verdict])


def _print_plan(plan: Outcome) -> None:
    for change in plan.changes:
        console().print(line(change), soft_wrap=True)


def _stages(deploy_file: Path, only: list[str]) -> frozenset[str]:
    """Return the stages that ``--only`` names."""
    names = {name.strip() for part in only for name in part.split(",")} - {""}
    known = list(map(name_of, stages_of(deploy_file)))
    if names - set(known):
        unknown = ", ".join(sorted(names - set(known)))
        _refuse(f"--only: no stage {unknown}; the stages are {', '.join(known)}")
    return frozenset(names)


def _refuse(message: str) -> None:
    typer.echo(f"torchrack deploy: {message}", err=True)
    raise typer.Exit(1)


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt
