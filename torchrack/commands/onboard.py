"""``torchrack onboard``: new servers, from their first login to the proof that they work."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from torchrack.commands.fleet import deploy_of, reading
from torchrack.commands.onboard_prepare import prepare_all
from torchrack.errors import ProblemsError, TorchrackError
from torchrack.inventory import load_open
from torchrack.lock.file import shown
from torchrack.onboard.asked import OWN, credentials, rows_of
from torchrack.onboard.credentials import Given
from torchrack.onboard.hosts_list import Row
from torchrack.onboard.joining import ADMIN, Joining, join
from torchrack.onboard.model import STEPS, StepName
from torchrack.onboard.pages.data import as_data
from torchrack.onboard.pages.table import render
from torchrack.onboard.pages.write import folder, write
from torchrack.onboard.prepare import Kind
from torchrack.onboard.run import Ended, changes, start
from torchrack.onboard.show import Show
from torchrack.onboard.work import Terms
from torchrack.report import console, print_problems
from torchrack.run import stages_of

_LOGIN = "First login (one of these; a password beside a key is sudo's)"
_HOST = "The server"
_KEYS = "Host keys"
_PREPARE = "Before it boots (no host is contacted; the file holds its private host key)"

_BEFORE_LOGIN = ("probe", "host-key")
"""Steps for which nobody has to say who logs in, and with what."""


def onboard(
    context: typer.Context,
    inventory: Annotated[Path, typer.Argument(help="the inventory file of the fleet to join")],
    *,
    name: Annotated[
        str | None, typer.Option(help="the name that it is to have", rich_help_panel=_HOST)
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="host name or IP address", rich_help_panel=_HOST)
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="TCP port of its sshd (22)", rich_help_panel=_HOST)
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="the account of the first login", rich_help_panel=_HOST)
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(help="the inventory's group that it joins", rich_help_panel=_HOST),
    ] = None,
    hosts: Annotated[
        Path | None,
        typer.Option(help="several servers at once: a CSV or YAML file", rich_help_panel=_HOST),
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="a private key's file", rich_help_panel=_LOGIN)
    ] = None,
    agent: Annotated[
        bool | None, typer.Option("--agent", help="the SSH agent's key", rich_help_panel=_LOGIN)
    ] = None,
    ask_password: Annotated[
        bool, typer.Option("--ask-password", help="ask for a password", rich_help_panel=_LOGIN)
    ] = False,
    password_file: Annotated[
        str | None,
        typer.Option(help="a password in a file of mode 0600", rich_help_panel=_LOGIN),
    ] = None,
    password_env: Annotated[
        str | None,
        typer.Option(help="a password in this environment variable", rich_help_panel=_LOGIN),
    ] = None,
    host_key: Annotated[
        str | None, typer.Option(help="its fingerprint, SHA256:...", rich_help_panel=_KEYS)
    ] = None,
    trust_on_first_use: Annotated[
        bool,
        typer.Option(
            "--trust-on-first-use",
            help="trust a key that nobody has verified",
            rich_help_panel=_KEYS,
        ),
    ] = False,
    admin: Annotated[
        str | None,
        typer.Option(help="the account that the fleet deploys with (torchrack)"),
    ] = None,
    admin_key: Annotated[
        str | None, typer.Option(help="its private key, with the public half beside it")
    ] = None,
    deploy_file: Annotated[
        Path | None,
        typer.Option("--deploy", help="the deploy file that is run (the one of the fleet)"),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="STEP", help=f"stop after a step: {', '.join(STEPS)}")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="look only: change no host and no file of the fleet")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="do not ask before the first change")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(help="folder of the verdict's pages (reports/onboard beside INVENTORY)"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for machines")] = False,
    cloud_init: Annotated[
        bool,
        typer.Option(
            "--print-cloud-init",
            help="write user data for a server that has not booted yet, and pin its host key",
            rich_help_panel=_PREPARE,
        ),
    ] = False,
    autoinstall: Annotated[
        bool,
        typer.Option(
            "--print-autoinstall",
            help="the same for Ubuntu's installer",
            rich_help_panel=_PREPARE,
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="the file (NAME.user-data.yml)", rich_help_panel=_PREPARE),
    ] = None,
) -> None:
    """Take new servers into a fleet: from address and first login to a verdict with its proof.

    Each step looks first and is skipped where it is done already, so the same command goes on where
    a run was ended, and proves a server anew that is in the fleet. One server that can't go on does
    not stop the others. docs/onboarding.md tells of each step.

    Exit status: 0 all servers are ready (or got as far as --until, or nothing is in the way of a
    --dry-run), 2 there is no contract for one of them, 1 one is not ready, nothing was confirmed
    or the input is wrong, 130 interrupted.
    """
    options = {field: context.params[field] for field in Row.model_fields}
    if cloud_init or autoinstall:
        _prepare(inventory, hosts, options, output, "autoinstall" if autoinstall else "cloud-init")
        return
    last = _step(until)
    asking = changes(last) and not (yes or dry_run)
    if asking and not sys.stdin.isatty():
        _refuse("nobody can be asked here: give --yes, or --dry-run to look only")
    chosen = deploy_of(inventory, deploy_file, "onboard")
    _check_deploy_file(chosen)
    with _told():
        if last in _BEFORE_LOGIN:
            joinings = _joinings(inventory, hosts, {**options, "user": user or ADMIN})
            given: dict[str, Given | None] = dict.fromkeys(one.newcomer.name for one in joinings)
        else:
            joinings = _joinings(inventory, hosts, options)
            given = credentials(joinings, cache(_password) if ask_password else None)
    signal.signal(signal.SIGTERM, _interrupt)
    with Show(console(), [joining.newcomer.name for joining in joinings], len(STEPS)) as show:
        person = _Person(show)
        terms = Terms(
            inventory,
            chosen,
            dry_run,
            last,
            trust_on_first_use,
            person.confirms if sys.stdin.isatty() and not trust_on_first_use else None,
            person.approves if asking else None,
        )
        ended = start(joinings, given, terms, show, words=["torchrack", *sys.argv[1:]])
    written = _tell(ended, terms, report, as_json=as_json)
    if ended.interrupted:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.status)  # a thread that still waits for a host would keep the process
    raise typer.Exit(ended.status or int(not written))


def _prepare(
    inventory: Path, hosts: Path | None, options: dict[str, Any], output: Path | None, kind: Kind
) -> None:
    """Write files for servers that have not booted yet; nobody logs in, so no user is needed."""
    with _told():
        joinings = _joinings(inventory, hosts, {**options, "user": options["user"] or ADMIN})
        prepare_all(inventory, joinings, kind, output)


def _joinings(inventory: Path, hosts: Path | None, options: dict[str, Any]) -> list[Joining]:
    """The servers that are asked for, as members of the fleet."""
    rows = rows_of(hosts, options)
    defaults = {field: value for field, value in options.items() if field not in OWN}
    return join(inventory, rows, defaults, lambda: reading(inventory, "onboard", load_open))


@contextmanager
def _told() -> Iterator[None]:
    """Tell all that is wrong with the input, and end."""
    try:
        yield
    except ProblemsError as error:
        print_problems("Nothing was begun", dict.fromkeys(error.problems))
        raise typer.Exit(1) from None


class _Person:
    """Who sits at the terminal; the bars stand still while something is asked."""

    def __init__(self, show: Show) -> None:
        self._show = show

    def confirms(self, question: str) -> bool:
        """Ask about a host key; the answer that does no harm is the default."""
        return self._ask(question)

    def approves(self, names: Sequence[str]) -> bool:
        """Ask before the first change."""
        return self._ask(f"Make an account on {', '.join(names)}, and deploy?")

    def _ask(self, question: str) -> bool:
        self._show.pause()
        try:
            return typer.confirm(question, err=True)
        except typer.Abort:  # Ctrl-C, or the end of the input
            raise KeyboardInterrupt from None
        finally:
            self._show.resume()


def _password() -> str:
    return str(typer.prompt("Password of the first login", hide_input=True, err=True))


def _tell(ended: Ended, terms: Terms, report: Path | None, *, as_json: bool) -> bool:
    """Print what came of it, and write the pages of the servers that got a verdict."""
    finished = dt.datetime.now(dt.timezone.utc)
    inventory = str(terms.inventory)
    if as_json:
        data = as_data(ended.results, inventory=inventory, finished=finished)
        typer.echo(json.dumps(data, indent=2))
    else:
        console(stderr=False).print(render(ended.results))
    if ended.declined:
        typer.echo("Not confirmed: no host was changed.", err=True)
    judged = [one for one in ended.results if one.verdict in ("ready", "not_ready")]
    into = folder(terms.inventory, report)
    try:
        for result in judged if not terms.dry_run else []:
            pages = write(result, into, inventory=inventory, finished=finished)
            typer.echo(f"{result.newcomer.name}: {shown(pages.html)}", err=True)
    except TorchrackError as error:
        typer.echo(f"torchrack onboard: {error}", err=True)
        return False
    return True


def _step(name: str | None) -> StepName | None:
    for step in STEPS:
        if step == name:
            return step
    if name is not None:
        _refuse(f"--until {name}: no such step; the steps are {', '.join(STEPS)}")
    return None


def _check_deploy_file(path: Path) -> None:
    """Refuse a deploy file that can't be loaded before a host has been changed for it."""
    try:
        stages_of(path)
    except TorchrackError as error:
        _refuse(f"--deploy: {error}")


def _refuse(message: str) -> None:
    typer.echo(f"torchrack onboard: {message}", err=True)
    raise typer.Exit(1)


def _interrupt(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt
