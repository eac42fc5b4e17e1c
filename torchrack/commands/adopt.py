"""``torchrack adopt``: what a server in use runs, and the settings that would match it."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from paramiko import PKey
from rich.text import Text

from torchrack.adopt import text
from torchrack.adopt.candidate import Place, group_of, taken
from torchrack.adopt.run import Adopted, Wish
from torchrack.adopt.run import adopt as look_at
from torchrack.adopt.write import in_the_way, write
from torchrack.commands.adopt_text import as_data, show
from torchrack.commands.fleet import deploy_of, reading
from torchrack.errors import HostError, Problem, ProblemsError
from torchrack.hosts_file import Entry
from torchrack.inventory import load_open
from torchrack.lock.file import shown
from torchrack.onboard import pins
from torchrack.onboard.credentials import given
from torchrack.onboard.host_key import decide, refuse_twin
from torchrack.onboard.hosts_list import Row, row
from torchrack.onboard.model import Newcomer
from torchrack.onboard.probe import probe
from torchrack.report import console, print_problems
from torchrack.settings.secret import Secret

_COMMAND = "torchrack adopt"
_LOGIN = "Login (one of these; a password beside a key is sudo's)"


def adopt(
    context: typer.Context,
    inventory: Annotated[Path, typer.Argument(help="the inventory file of the fleet to join")],
    *,
    name: Annotated[str, typer.Option(help="the name that it is to have")],
    address: Annotated[str, typer.Option(help="host name or IP address")],
    user: Annotated[str, typer.Option(help="an account that may become root")],
    port: Annotated[int, typer.Option(help="TCP port of its sshd")] = 22,
    group: Annotated[
        str | None, typer.Option(help="the inventory's group that it joins (the only one)")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="a private key's file", rich_help_panel=_LOGIN)
    ] = None,
    agent: Annotated[
        bool, typer.Option("--agent", help="the SSH agent's key", rich_help_panel=_LOGIN)
    ] = False,
    ask_password: Annotated[
        bool, typer.Option("--ask-password", help="ask for a password", rich_help_panel=_LOGIN)
    ] = False,
    password_file: Annotated[
        str | None, typer.Option(help="a password in a file (0600)", rich_help_panel=_LOGIN)
    ] = None,
    password_env: Annotated[
        str | None, typer.Option(help="a password in a variable", rich_help_panel=_LOGIN)
    ] = None,
    host_key: Annotated[str | None, typer.Option(help="its fingerprint, SHA256:...")] = None,
    trust_on_first_use: Annotated[
        bool, typer.Option("--trust-on-first-use", help="trust a host key nobody has verified")
    ] = False,
    deploy_file: Annotated[
        Path | None,
        typer.Option(
            "--deploy", help="the deploy file that is looked ahead with (the one of the fleet)"
        ),
    ] = None,
    ahead: Annotated[
        bool, typer.Option("--ahead/--no-ahead", help="tell what a deploy would change")
    ] = True,
    to_write: Annotated[
        bool, typer.Option("--write", help="write the proposal down; nothing is overwritten")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON for machines")] = False,
) -> None:
    """Look at a server that is in use, and propose settings that match what it runs.

    Nothing on the server is changed, ever. It is logged in to once; driver, Docker, toolkit,
    containers, sshd and the rest are read, told as settings where there are such, and listed with
    the reason where there are not. Then the drift check's own evaluation says what the next deploy
    would change. Without --write nothing is written here either.

    Exit status: 0 the proposal is made (and written with --write), 1 it could not be made or
    written, or the input is wrong, 130 interrupted.
    """
    ahead_with = deploy_of(inventory, deploy_file, "adopt") if ahead else None
    if ahead_with and not ahead_with.is_file():
        _refuse(f"no file {ahead_with}: name it with --deploy, or give --no-ahead")
    fields = {one: context.params[one] for one in Row.model_fields if one in context.params}
    try:
        wish = _asked(inventory, row(**fields), ask_password, agent)
        place, entry = wish.place, wish.entry
        if to_write and (found := in_the_way(place, {})):
            raise ProblemsError("Nothing was begun.", found)
        trusted = _trusted(wish, trust_on_first_use=trust_on_first_use)
        made = look_at(
            wish,
            trusted,
            lambda: reading(inventory, "adopt", load_open)[0],
            deploy_file=ahead_with,
            told=lambda sentence: console().print(Text(f"{name}: {sentence}"), soft_wrap=True),
        )
        written = _write(made, place, entry, trusted) if to_write else []
    except HostError as error:
        print_problems("Not adopted", [error.problem])
        raise typer.Exit(1) from None
    except ProblemsError as error:
        print_problems("Not adopted", dict.fromkeys(error.problems))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo(f"{_COMMAND}: interrupted; nothing was changed", err=True)
        raise typer.Exit(130) from None
    _tell(made, place, entry, written, as_json=as_json)
    raise typer.Exit(1 if made.wrong else 0)


def _asked(inventory: Path, asked: Row, ask_password: bool, agent: bool) -> Wish:
    """Check what was asked for; no host is contacted, all problems are told at once."""
    fleet, groups = reading(inventory, "adopt", load_open)
    problems: list[Problem] = []
    key = str(Path(asked.key).resolve()) if asked.key and asked.key[0] != "~" else asked.key
    user = str(asked.user)
    entry = Entry(address=asked.address, port=asked.port or 22, user=user, key=key)
    problems += taken(fleet, asked.name, entry, inventory)
    try:
        chosen = group_of(asked.group, groups, inventory, asked.name)
        entry = entry.model_copy(
            update={
                "user": user if user != chosen.user else None,
                "key": key if key != chosen.key else None,
                "agent": agent or None,
            }
        )
        place = Place(chosen, inventory, asked.name)
    except ProblemsError as error:
        problems += error.problems
    try:
        login = given(
            asked.name,
            key=key,
            agent=agent,
            password=_password(asked),
            prompt=_prompt if ask_password else None,
        )
    except HostError as error:
        problems.append(error.problem)
    if problems:
        raise ProblemsError("Nothing was begun; no host was contacted.", problems)
    newcomer = Newcomer(asked.name, asked.address, user, port=entry.port, host_key=asked.host_key)
    return Wish(newcomer, login, place, entry, {host.name: host.data for host in fleet})


def _password(asked: Row) -> Secret | None:
    if asked.password_file:
        return Secret(source="file", name=asked.password_file)
    return Secret(source="env", name=asked.password_env) if asked.password_env else None


def _prompt() -> str:
    return str(typer.prompt("Password", hide_input=True, err=True))


def _trusted(wish: Wish, *, trust_on_first_use: bool) -> PKey:
    """The host key that the server shows, which somebody has vouched for."""
    newcomer, pinned_in = wish.newcomer, wish.place.group.known_hosts
    shown_key = probe(newcomer.address, newcomer.port, user=newcomer.user, where=newcomer.name)
    refuse_twin(newcomer, shown_key.key, pinned_in, wish.others)
    known = pins.pinned(pinned_in, newcomer.address, newcomer.port)
    ask = _confirms if sys.stdin.isatty() and not trust_on_first_use else None
    trust = decide(newcomer, shown_key, known, trust_first_use=trust_on_first_use, ask=ask)
    if trust == "first-use":
        console().print(
            Text(f"{newcomer.name}: host key {pins.fingerprint(shown_key.key)}, NOT verified")
        )
    return shown_key.key


def _confirms(question: str) -> bool:
    return typer.confirm(question, err=True)


def _write(made: Adopted, place: Place, entry: Entry, key: PKey) -> list[Path]:
    if made.wrong:
        raise ProblemsError("Nothing was written.", made.wrong)
    settings = _settings(made, place)
    try:
        return write(place, entry, key, settings=settings, files=made.proposal.files)
    except OSError as error:
        _refuse(f"{error.filename} can't be written: {error.strerror}")


def _settings(made: Adopted, place: Place) -> str:
    today = dt.datetime.now(dt.timezone.utc).date().isoformat()
    return text.settings(
        made.proposal,
        name=place.name,
        day=today,
        place=lambda name: shown(place.certificate(name)),
    )


def _tell(made: Adopted, place: Place, entry: Entry, written: list[Path], *, as_json: bool) -> None:
    settings = _settings(made, place)
    lines = text.hosts(place.group.name, place.name, entry)
    if as_json:
        data = as_data(made, settings=settings, hosts=lines, written=list(map(shown, written)))
        typer.echo(json.dumps(data, indent=2))
        return
    show(console(stderr=False), made, place, settings=settings, hosts=lines)
    if made.wrong:
        print_problems("The settings' own checks", made.wrong)
    for path in written:
        typer.echo(f"written: {shown(path)}", err=True)
    again = "" if written else "; add --write to write this down"
    typer.echo(
        f"{_COMMAND}: nothing was changed on {place.name} ({made.trips} scripts read it){again}",
        err=True,
    )
    if written:
        typer.echo(
            f"next: torchrack lock {shown(place.inventory)}, then "
            f"torchrack deploy {shown(place.inventory)} --limit {place.name} --dry-run",
            err=True,
        )


def _refuse(message: str) -> NoReturn:
    typer.echo(f"{_COMMAND}: {message}", err=True)
    raise typer.Exit(1)
