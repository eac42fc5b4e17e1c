"""A whole lab: brought up, taken down, destroyed."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from lab import (
    atomic,
    ca,
    disk,
    identity,
    inside,
    machine,
    network,
    nspawn,
    pool,
    processes,
    services,
    snapshots,
)
from lab.errors import LabError
from lab.machine import Order
from lab.paths import cache_dir, lab_id
from lab.progress import Progress
from lab.state import Lab, load, locked, require, state_file

# The fleet of inventories/lab.py.
FLEET = {
    "gpu01": Order(os="debian13", gpus=("h200:2",)),
    "gpu02": Order(os="ubuntu2404", gpus=("rtx4090:1",)),
}


def up(
    directory: Path,
    names: Iterable[str],
    progress: Progress,
    *,
    with_images: bool = True,
    services_of: Path | None = None,
) -> Lab:
    """Bring up the lab in `directory` with at least the servers `names` of the fleet.

    What is there is kept: servers made with `new` are switched on too, and a lab that is up is
    left as it is. With `services_of` it uses the mirror, registry and keys of the lab in that
    directory, which has to stay up, and can start from that lab's snapshots.
    """
    orders = {}
    for name in names:
        if name not in FLEET:
            raise LabError(f"{name} is not in the lab's fleet ({', '.join(FLEET)}); see `lab new`")
        orders[name] = FLEET[name]
    lab = load(directory) or _found(directory)
    if services_of is not None:
        services.share(lab, require(services_of))
    missing = {name: order for name, order in orders.items() if name not in lab.hosts}
    network.up(lab)
    if lab.services_of is None:
        ca.ensure(lab)
    for name, order in missing.items():
        lab.hosts[name] = machine.describe(lab, name, order, network.free_address(lab))
    identity.write_known_hosts(lab)
    lab.save()
    hosts = [partial(_host_up, lab, name, progress) for name in lab.hosts]
    try:
        _in_parallel([*services.tasks(lab, progress, with_images=with_images), *hosts])
    finally:
        lab.save()
    return lab


def add(lab: Lab, name: str, order: Order, progress: Progress) -> None:
    """Make and boot one more server in a lab that is up."""
    machine.check_name(lab, name)
    network.up(lab)
    lab.hosts[name] = machine.describe(lab, name, order, network.free_address(lab))
    try:
        machine.install(lab, name)
    except BaseException:
        del lab.hosts[name]
        shutil.rmtree(lab.machine_dir(name), ignore_errors=True)
        raise
    identity.write_known_hosts(lab)
    lab.save()
    _host_up(lab, name, progress)


def restore(lab: Lab, label: str, names: Mapping[str, str], progress: Progress) -> None:
    """Start servers from what was kept as `label`, in place of what they are, or as new ones.

    Parameters:
        names: each server's name, with that of the server that was kept.
    """
    kept = {name: snapshots.find(lab, label, source) for name, source in names.items()}
    network.up(lab)
    for name, snapshot in kept.items():
        if name in lab.hosts:
            machine.stop(lab, name, grace=0)
        else:
            machine.check_name(lab, name)
            lab.hosts[name] = snapshot.host.model_copy(
                update={"address": network.free_address(lab), "password_file": None}
            )
        with progress.step(f"{name}: {label}"):
            snapshots.restore(lab, name, snapshot)
    identity.write_known_hosts(lab)
    lab.save()
    _in_parallel([partial(_host_up, lab, name, progress) for name in names])


def remove(lab: Lab, name: str) -> None:
    """Switch the server `name` off and remove it with its disk, keys and password."""
    machine.stop(lab, name, grace=0)
    disk.remove(lab, name)
    del lab.hosts[name]
    lab.save()
    identity.write_known_hosts(lab)
    shutil.rmtree(lab.machine_dir(name))
    identity.forget_passwords(lab, name)


def down(lab: Lab, progress: Progress) -> None:
    """Stop everything of the lab that runs, whoever started it; disks and keys stay."""
    names = {*lab.hosts, *nspawn.machines(lab)}
    _in_parallel([partial(machine.stop, lab, name, grace=5.0) for name in names])
    for name in processes.names(lab):
        processes.stop(lab, name)
    network.down(lab)
    if not network.other_labs():
        pool.release()
    progress.say("the lab is down; its disks are kept")


def destroy(directory: Path, progress: Progress) -> None:
    """Stop the lab in `directory` and remove it, also when its state cannot be read."""
    try:
        lab = load(directory)
    except LabError:
        lab = None
    down(lab or _empty(directory, "10.86.0.0/24"), progress)
    snapshots.forget_all(lab_id(directory))
    disk.remove_all(lab_id(directory))
    if not network.other_labs():
        pool.release()
    shutil.rmtree(directory)
    _reservation(directory).unlink(missing_ok=True)
    progress.say(f"{directory} is removed")


def _found(directory: Path) -> Lab:
    """Start the state of a new lab: an id, and a subnet no other lab of this machine has."""
    with network.machine_lock():
        reservation = _reservation(directory)
        reservation.parent.mkdir(parents=True, exist_ok=True)
        lab = _empty(directory, network.free_subnet(_reserved(reservation.parent)))
        atomic.write(reservation, f"{lab.subnet} {directory}")
        lab.save()
    return lab


def _reserved(folder: Path) -> set[str]:
    """Return the subnets of the labs that are there, up or down; forget those that are gone."""
    subnets = set()
    for file in folder.iterdir():
        subnet, _, owner = file.read_text().partition(" ")
        if state_file(Path(owner)).exists():
            subnets.add(subnet)
        else:
            file.unlink(missing_ok=True)
    return subnets


def _reservation(directory: Path) -> Path:
    return cache_dir() / "labs" / lab_id(directory)


def _empty(directory: Path, subnet: str) -> Lab:
    number = lab_id(directory)
    return Lab(
        id=number,
        bridge=network.bridge_name(number),
        subnet=subnet,
        gateway=subnet.replace(".0/24", ".1"),
        ssh_key=directory / "keys" / "id_ed25519",
        known_hosts=directory / "known_hosts",
        ca_cert=directory / "ca" / "ca.crt",
        directory=directory,
    )


def _host_up(lab: Lab, name: str, progress: Progress) -> None:
    with locked(lab.machine_dir(name)):
        if machine.running(lab, name) and inside.booted(lab, name):
            return
        if not machine.installed(lab, name):
            with progress.step(f"{name}: disk made"):
                machine.install(lab, name)
        with progress.step(f"{name}: up at {lab.hosts[name].address}"):
            machine.start(lab, name)
            machine.wait(lab, name)


def _in_parallel(tasks: list[Callable[[], None]]) -> None:
    """Run all of `tasks` at the same time; what went wrong in any of them becomes one error."""
    with ThreadPoolExecutor(max_workers=max(len(tasks), 1)) as pool:
        futures = [pool.submit(task) for task in tasks]
    errors = [error for future in futures if (error := future.exception()) is not None]
    for error in errors:
        if not isinstance(error, LabError):
            raise error
    if errors:
        raise LabError("\n".join(str(error) for error in errors))
