"""``torchrack drift fix``: run the stages that mend what a check finds, and look again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated

import typer

from torchrack.commands.deploy import run_ordered
from torchrack.commands.drift.look import look, remember
from torchrack.commands.fleet import deploy_of, locked
from torchrack.drift import fixes
from torchrack.drift.model import Finding
from torchrack.drift.output import table
from torchrack.drift.verdict import STATUS, verdict
from torchrack.drift.waivers import Waived
from torchrack.report import console


def fix(
    inventory: Annotated[Path, typer.Argument(help="the fleet's inventory file")],
    ids: Annotated[
        list[str] | None,
        typer.Argument(help="ids of findings, or patterns (sshd.*); all if none is given"),
    ] = None,
    *,
    host: Annotated[
        list[str] | None, typer.Option("--host", help="only these hosts, separated by commas")
    ] = None,
    deploy_file: Annotated[
        Path | None,
        typer.Option(
            "--deploy", help="the deploy file whose stages are run (the one of the fleet)"
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False,
) -> None:
    """Check, show what would be done about it, and after a yes run only the stages concerned.

    What a deploy can't mend (hardware, what a person has to decide) is listed and left alone, as
    is what a waiver covers. The hosts that were mended are checked again.

    Exit status: that of the check afterwards, with what was found on the other hosts: 0 in sync,
    2 something differs still, 1 something failed or could not be checked.
    """
    if not (yes or sys.stdin.isatty()):
        typer.echo("torchrack drift fix: nobody can be asked here: give --yes", err=True)
        raise typer.Exit(1)
    hosts = locked(inventory, "drift fix", host or [])
    chosen_file = deploy_of(inventory, deploy_file, "drift fix")
    before = look(inventory, hosts, chosen_file)
    chosen = [one for one in _open(before) if _named(one, ids or [])]
    _refuse_unmatched(ids or [], chosen)
    mended = [one for one in chosen if one.fix == fixes.deploy(str(inventory), one.host, one.stage)]
    for one in chosen:
        if one not in mended:
            text = f"{one.host}: {one.id}: not for a deploy. {one.fix}"
            console().print(text, markup=False, soft_wrap=True)
    if not mended:
        console(stderr=False).print(table.render(before, {}))
        raise typer.Exit(STATUS[verdict(before)])
    _run(inventory, chosen_file, mended, yes=yes)
    names = {one.host for one in mended}
    after = look(inventory, [one for one in hosts if one.name in names], chosen_file)
    seen, _ = remember(inventory, after)
    whole = with_others(after, before)
    console(stderr=False).print(table.render(whole, seen))
    raise typer.Exit(STATUS[verdict(whole)])


def with_others(after: Waived, before: Waived) -> Waived:
    """Return a check with what was found on the hosts that it left out: it is there still.

    Args:
        after: the check of the hosts that were mended.
        before: the check of all.
    """
    names = {one.name for one in after.result.hosts}
    others = tuple(one for one in before.result.hosts if one.name not in names)
    result = replace(after.result, hosts=(*after.result.hosts, *others))
    return Waived(result, {**before.by, **after.by})


def _open(checked: Waived) -> list[Finding]:
    return [one for one in checked.result.findings if checked.waiver(one) is None]


def _named(finding: Finding, ids: Sequence[str]) -> bool:
    return not ids or any(fnmatch(finding.id, pattern) for pattern in ids)


def _refuse_unmatched(ids: Sequence[str], chosen: Sequence[Finding]) -> None:
    lost = [one for one in ids if not any(_named(finding, [one]) for finding in chosen)]
    if lost:
        message = f"no finding {', '.join(lost)}: run torchrack drift to see what there is"
        typer.echo(f"torchrack drift fix: {message}", err=True)
        raise typer.Exit(1)


def _run(inventory: Path, deploy_file: Path, mended: Sequence[Finding], *, yes: bool) -> None:
    """Run the stages that the findings belong to, on their hosts."""
    stages: dict[str, set[str]] = {}
    for one in mended:
        stages.setdefault(one.host, {"stamp"}).add(one.stage)
    # The stamp alone says what all stages declared: where it differs, all of them run.
    order = {
        name: frozenset() if own == {"stamp"} else frozenset(own) for name, own in stages.items()
    }
    try:
        run_ordered(
            inventory, deploy_file, order, dry_run=False, yes=yes, diff=False, as_json=False
        )
    except typer.Exit as ended:
        if ended.exit_code:
            raise
