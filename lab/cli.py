"""`python -m lab`: simulated GPU servers, made, entered and removed."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from lab import (
    access,
    identity,
    lifecycle,
    logins,
    machine,
    network,
    requirements,
    services,
    settings,
    show,
    snapshots,
    systems,
)
from lab.errors import LabError
from lab.machine import Order
from lab.ownership import given_to_caller
from lab.paths import lab_dir
from lab.progress import Progress
from lab.state import Lab, locked, require, state_file

app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="A lab lives in $TORCHRACK_LAB (default: .lab in the repository).",
)

Name = Annotated[str, typer.Argument(help="The server's name, such as gpu01.", show_default=False)]
Names = Annotated[list[str], typer.Argument(help="Servers, such as gpu01.", show_default=False)]
Label = Annotated[str, typer.Argument(help="What it is kept as, such as deployed.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

_SOMETHING_IS_OFF = 3
_INTERRUPTED = 130


@app.command()
def up(
    hosts: Annotated[
        str, typer.Option(help="Servers of the lab's fleet to have, joined by commas.")
    ] = ",".join(lifecycle.FLEET),
    images: Annotated[
        bool, typer.Option(help="Build the container images and put them into the registry.")
    ] = True,
    services_of: Annotated[
        Path | None,
        typer.Option(help="Use the mirror, registry and keys of the lab in this directory."),
    ] = None,
) -> None:
    """Bring up the lab and its servers.

    Network, package mirror, registry, images and servers; what is there is kept.
    """
    requirements.become_root(sys.argv[1:])
    requirements.check()
    directory = lab_dir()
    progress = Progress()
    with locked(directory), given_to_caller(directory):
        names = [name.strip() for name in hosts.split(",") if name.strip()]
        lab = lifecycle.up(
            directory,
            names,
            progress,
            with_images=images,
            services_of=services_of and services_of.expanduser().absolute(),
        )
    there = ", ".join(f"{name} {host.address}" for name, host in lab.hosts.items())
    progress.say(f"the lab is up: {there or 'no server yet'}")


@app.command()
def new(
    name: Name,
    *,
    system: Annotated[
        str, typer.Option("--os", help=f"Operating system: {', '.join(systems.SYSTEMS)}.")
    ] = "debian13",
    gpus: Annotated[
        str, typer.Option(help="Such as h200:2, rtx4090:1, h200:8+nvswitch:4, or '' for none.")
    ] = "h200:1",
    login: Annotated[
        str, typer.Option(help=f"How its user logs in: {', '.join(logins.KINDS)}.")
    ] = "key",
    newcomer: Annotated[
        bool, typer.Option("--newcomer", help="In no fleet yet: no inventory has it, none pins it.")
    ] = False,
    user_data: Annotated[
        Path | None,
        typer.Option(help="User data for its cloud-init, which makes the login then."),
    ] = None,
    hold: Annotated[
        bool, typer.Option("--hold", help="Its cloud-init does not end before `lab release`.")
    ] = False,
    docker_disk: Annotated[
        int | None, typer.Option(help="A file system for Docker's data, of so many MiB.")
    ] = None,
    lost_gpus: Annotated[
        str, typer.Option(help="GPUs that are dead as soon as a driver is there, such as 0,3.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Add a bare server and say how to log in."""
    if hold and user_data is None:
        raise typer.BadParameter("a server has a cloud-init to hold with --user-data alone")
    if not all(number.isdigit() for number in lost_gpus.split(",") if lost_gpus):
        raise typer.BadParameter(f"{lost_gpus!r}: --lost-gpus wants numbers, joined by commas")
    requirements.become_root(sys.argv[1:])
    progress = Progress(quiet=as_json)
    order = Order(
        os=system,
        gpus=tuple(gpus.split("+")) if gpus else (),
        login=login,
        newcomer=newcomer,
        user_data=user_data,
        held=hold,
        docker_disk=docker_disk,
        lost_gpus=tuple(map(int, lost_gpus.split(","))) if lost_gpus else (),
    )
    lab = require(lab_dir())
    with locked(lab.directory), given_to_caller(lab.directory):
        lab = require(lab.directory)
        lifecycle.add(lab, name, order, progress)
    show.host(name, lab.hosts[name], as_json=as_json)


@app.command()
def status(as_json: Json = False) -> None:
    """Show what runs.

    The exit status is 3 when a server or a service is off.
    """
    lab = require(lab_dir())
    running = {name: machine.running(lab, name) for name in lab.hosts}
    serving = services.status(lab)
    show.lab(lab, running, serving, as_json=as_json)
    if not all([*running.values(), *serving.values()]):
        raise typer.Exit(_SOMETHING_IS_OFF)


@app.command()
def ssh(
    name: Name,
    command: Annotated[
        list[str] | None, typer.Argument(help="A command to run there, after --.")
    ] = None,
) -> None:
    """Log in to a server, or run a command there.

    As in `python -m lab ssh gpu01 -- uname -a`; the words are joined by spaces.
    """
    access.ssh(require(lab_dir()), name, command or [])


@app.command(name="settings")
def settings_() -> None:
    """Print settings for the group_data/all.py of a fleet of one's own in this lab."""
    print(settings.text(require(lab_dir())), end="")


@app.command()
def start(name: Name) -> None:
    """Switch a server on and wait until it has booted."""
    with _changing(name) as lab:
        machine.start(lab, name)
        machine.wait(lab, name)


@app.command()
def stop(
    name: Name,
    now: Annotated[bool, typer.Option("--now", help="Pull the plug: no orderly shutdown.")] = False,
) -> None:
    """Switch a server off; it keeps its disk."""
    with _changing(name) as lab:
        machine.stop(lab, name, grace=0 if now else 30)


@app.command()
def reset(name: Name) -> None:
    """Make a server bare again.

    It gets a new disk, keeps its address and keys, and is booted.
    """
    with _changing(name) as lab:
        machine.reset(lab, name)


@app.command()
def snapshot(label: Label, names: Names) -> None:
    """Keep servers, on or off, under a label.

    It takes no time and no room. A server that is on is kept as a power cut would leave it.
    """
    requirements.become_root(sys.argv[1:])
    lab = require(lab_dir())
    for name in names:
        access.host(lab, name)
        with locked(lab.machine_dir(name)):
            snapshots.take(lab, name, label)


@app.command()
def restore(label: Label, names: Names) -> None:
    """Start servers from what was kept under a label.

    NAME is what it was when it was kept, or a new server. BOX=GPU01 makes BOX of what GPU01 was,
    with a host name, a machine id and host keys of its own.
    """
    requirements.become_root(sys.argv[1:])
    directory = require(lab_dir()).directory
    pairs = {name: source or name for name, _, source in (one.partition("=") for one in names)}
    with locked(directory), given_to_caller(directory):
        lab = require(directory)
        lifecycle.restore(lab, label, pairs, Progress())


@app.command(name="snapshots")
def snapshots_(
    forget: Annotated[str, typer.Option(help="Remove all that was kept under this label.")] = "",
) -> None:
    """List what was kept."""
    requirements.become_root(sys.argv[1:])
    lab = require(lab_dir())
    if forget:
        snapshots.forget(lab, forget)
    for kept in snapshots.listed(lab):
        print(f"{kept.label:20} {kept.name}")


@app.command()
def login(
    name: Name,
    kind: Annotated[
        str, typer.Argument(help=f"One of: {', '.join(logins.KINDS)}.", show_default=False)
    ],
    as_json: Json = False,
) -> None:
    """Add another account to a server, and say how to log in with it.

    It is called as its kind is, and gone with a reset.
    """
    with _changing(name) as lab:
        account = machine.add_login(lab, name, kind)
    show.account(account, as_json=as_json)


@app.command()
def rekey(name: Name) -> None:
    """Give a server other host keys, as a new installation would.

    The fleet's pins stay as they are: they don't fit any more.
    """
    with _changing_state(name) as lab:
        machine.rekey(lab, name)
        identity.write_own_known_hosts(lab)


@app.command()
def release(name: Name) -> None:
    """Let a cloud-init that is held come to its end."""
    with _changing_state(name) as lab:
        machine.release(lab, name)


@app.command()
def remove(name: Name) -> None:
    """Switch a server off and remove it with its disk."""
    with _changing_state(name) as lab:
        lifecycle.remove(lab, name)


@app.command()
def down() -> None:
    """Stop everything; disks and keys are kept."""
    requirements.become_root(sys.argv[1:])
    lab = require(lab_dir())
    with locked(lab.directory), given_to_caller(lab.directory):
        lifecycle.down(lab, Progress())


@app.command()
def destroy() -> None:
    """Stop everything and remove the lab; the cache is kept."""
    requirements.become_root(sys.argv[1:])
    directory = lab_dir()
    if not directory.exists():
        print(f"no lab in {directory}", file=sys.stderr)
        return
    if not state_file(directory).exists() and not (directory / ".lock").exists():
        raise LabError(f"{directory} is no lab's directory; it is left as it is")
    with locked(directory):
        lifecycle.destroy(directory, Progress())


@contextmanager
def _changing(name: str) -> Iterator[Lab]:
    """Hold the lock of one server, so that others can be changed at the same time."""
    requirements.become_root(sys.argv[1:])
    lab = require(lab_dir())
    access.host(lab, name)
    with locked(lab.machine_dir(name)), given_to_caller(lab.directory):
        network.up(lab)
        yield lab


@contextmanager
def _changing_state(name: str) -> Iterator[Lab]:
    """Hold the lock of the lab, whose state is saved with what was changed of a server."""
    requirements.become_root(sys.argv[1:])
    directory = require(lab_dir()).directory
    with locked(directory), given_to_caller(directory):
        lab = require(directory)
        access.host(lab, name)
        yield lab
        lab.save()


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    """End at once: what is half made is made anew by the same command."""
    print("lab: interrupted; the same command goes on from here", file=sys.stderr, flush=True)
    os._exit(_INTERRUPTED)


def main() -> None:
    """Run the command line; an error is one message and exit status 1."""
    signal.signal(signal.SIGINT, _interrupted)
    try:
        app()
    except (LabError, OSError) as error:
        print(f"lab: {error}", file=sys.stderr)
        sys.exit(1)
