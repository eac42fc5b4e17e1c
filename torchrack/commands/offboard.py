"""``torchrack offboard``: take servers out of a fleet, and off them what a deploy brought."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from torchrack.commands.fleet import limited, read_fleet
from torchrack.commands.offboard_text import as_data, show_outcomes, show_plans
from torchrack.errors import Problem, ProblemsError, TorchrackError
from torchrack.inventory import FleetHost
from torchrack.offboard.forget import forget, stands_in
from torchrack.offboard.model import Options, Outcome
from torchrack.offboard.run import Seen, offboard_host, see
from torchrack.remote import across
from torchrack.report import console, print_problems, printable
from torchrack.settings.units import read_seconds

_COMMAND = "torchrack offboard"


def offboard(
    inventory: Annotated[Path, typer.Argument(help="the fleet's inventory file")],
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="the servers that leave")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="print what would be done; change nothing")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="do not ask; needs --confirm for each server")
    ] = False,
    confirm: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="the server's name once more")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="go on while processes of others use the GPUs")
    ] = False,
    wait: Annotated[
        str, typer.Option(metavar="TIME", help="how long to wait for those, as 30min")
    ] = "0s",
    purge: Annotated[
        bool, typer.Option("--purge", help="remove driver, toolkit and Docker as well")
    ] = False,
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="DELETE the volumes of our workloads as well")
    ] = False,
    unharden: Annotated[
        bool, typer.Option("--unharden", help="bring back the sshd from before Torchrack")
    ] = False,
    unreachable: Annotated[
        bool, typer.Option("--unreachable", help="the servers are gone: only the fleet's files")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for machines")] = False,
) -> None:
    """Drain servers, remove what a deploy brought to them, and take them out of the fleet.

    Their users' data stays, as does the way in: volumes, accounts, the hardened sshd, and all that
    others have put there. What stays is listed. An interrupted run is run again and goes on.

    Exit status: 0 every server has left (or the plan was made), 1 a server has not, nothing was
    confirmed or the input is wrong, 130 interrupted.
    """
    options = _options(force, wait, purge, delete_data, unharden)
    hosts = _hosts(inventory, names)
    _check_answers(hosts, confirm or [], dry_run=dry_run, yes=yes)
    try:
        outcomes = (
            _gone(hosts, dry_run=dry_run, yes=yes)
            if unreachable
            else _leave(hosts, options, dry_run=dry_run, yes=yes, as_json=as_json)
        )
    except KeyboardInterrupt:
        typer.echo(
            f"{_COMMAND}: interrupted. What runs on a server at this moment ends there; the same "
            "command goes on from there",
            err=True,
        )
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps({"hosts": [asdict(one) for one in outcomes]}, indent=2))
    else:
        show_outcomes(console(stderr=False), outcomes)
    if found := [one.problem for one in outcomes if one.problem]:
        print_problems("Not offboarded", found)
    raise typer.Exit(1 if found else 0)


def _leave(
    hosts: list[FleetHost], options: Options, *, dry_run: bool, yes: bool, as_json: bool
) -> list[Outcome]:
    """Look, show, ask, and do it; all servers at the same time."""
    console().print(f"Looking at {len(hosts)} server(s)...")
    seen = across(hosts, lambda session: see(session, options))
    problems = [one for one in seen.values() if isinstance(one, Problem)]
    found = {name: one for name, one in seen.items() if isinstance(one, Seen)}
    problems += [problem for one in found.values() for problem in one.plan.problems]
    plans = [one.plan for one in found.values()]
    if dry_run and as_json:
        typer.echo(json.dumps({"plans": [as_data(one) for one in plans]}, indent=2))
    elif not (yes and as_json):
        show_plans(console(stderr=not dry_run), plans)
    if problems:
        print_problems("Can't be offboarded", problems)
        fix = "" if len(problems) < len(hosts) else "; a server that is gone: --unreachable"
        typer.echo(f"{_COMMAND}: nothing was changed{fix}", err=True)
        raise typer.Exit(1)
    if dry_run:
        raise typer.Exit(0)
    if not yes:
        _ask(hosts)
    done = across(hosts, lambda session: offboard_host(session, options, _told))
    return [
        Outcome(host.name, problem=one) if isinstance(one, Problem) else _forgotten(host, one)
        for host, one in ((host, done[host.name]) for host in hosts)
    ]


def _gone(hosts: list[FleetHost], *, dry_run: bool, yes: bool) -> list[Outcome]:
    """Take servers that do not answer out of the fleet's files; one that does is refused."""
    answers = across(hosts, lambda session: session.run("true"))
    if alive := [name for name, one in answers.items() if not isinstance(one, Problem)]:
        _refuse(f"{', '.join(alive)} can be logged in to: leave --unreachable out")
    for host in hosts:
        problem = answers[host.name]
        found = problem.found if isinstance(problem, Problem) else ""
        text = f"{host.name}: {found}. It would only be taken out of the fleet's files"
        console().print(printable(text), soft_wrap=True)
    if dry_run:
        raise typer.Exit(0)
    if not yes:
        _ask(hosts)
    return [_forgotten(host, Outcome(host.name)) for host in hosts]


def _forgotten(host: FleetHost, outcome: Outcome) -> Outcome:
    """Take a server that has left out of the fleet's files."""
    try:
        done, by_hand = forget(host)
    except TorchrackError as error:
        problem = Problem(
            host.name, "The fleet's files", str(error), "files that can be changed", "mend that, "
            "then run the same command with --unreachable or without"
        )  # fmt: skip
        return replace(outcome, problem=problem)
    return replace(outcome, fleet=tuple(done), by_hand=(*outcome.by_hand, *by_hand))


def _ask(hosts: Sequence[FleetHost]) -> None:
    """Ask twice: whether, and which."""
    names = ", ".join(host.name for host in hosts)
    if not typer.confirm(f"Take {names} out of the fleet?", err=True):
        _refuse("not confirmed; nothing was changed")
    for host in hosts:
        if typer.prompt(f"Type the server's name to go on ({host.name})", err=True) != host.name:
            _refuse(f"that is not {host.name}; nothing was changed")


def _hosts(inventory: Path, names: Sequence[str]) -> list[FleetHost]:
    """Return the hosts that are named; their hosts files are read before anything begins."""
    fleet = read_fleet(inventory, "offboard")
    known = {host.name for host in fleet}
    wanted = [name for part in names for name in part.split(",") if name]
    if unknown := sorted(set(wanted) - known):
        _refuse(f"no host {', '.join(unknown)} in the inventory; it has {', '.join(sorted(known))}")
    hosts = limited(fleet, wanted, "offboard")
    try:
        for host in hosts:
            stands_in(host)
    except ProblemsError as error:
        print_problems("Hosts file", error.problems)
        raise typer.Exit(1) from None
    return hosts


def _check_answers(
    hosts: Sequence[FleetHost], confirm: Sequence[str], *, dry_run: bool, yes: bool
) -> None:
    names = {host.name for host in hosts}
    given = {name for part in confirm for name in part.split(",") if name}
    if dry_run:
        return
    if given - names:
        _refuse(f"--confirm {', '.join(sorted(given - names))}: no server that is to leave")
    if yes and names - given:
        _refuse(f"--yes needs --confirm {' --confirm '.join(sorted(names - given))}")
    if not yes and not sys.stdin.isatty():
        _refuse("nobody can be asked here: give --yes and --confirm NAME, or --dry-run")


def _options(force: bool, wait: str, purge: bool, delete_data: bool, unharden: bool) -> Options:
    try:
        seconds = read_seconds(wait)
    except ValueError as error:
        _refuse(f"--wait {wait}: {error}")
    return Options(force, seconds, purge, delete_data, unharden)


def _told(name: str, text: str) -> None:
    console().print(printable(f"{name}: {text}"), soft_wrap=True)


def _refuse(message: str) -> NoReturn:
    typer.echo(f"{_COMMAND}: {message}", err=True)
    raise typer.Exit(1)
