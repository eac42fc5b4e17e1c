"""Simulated servers: made, switched on and off, reset, entered."""

import json
import os
import re
import shutil
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import (
    atomic,
    cgroups,
    disk,
    identity,
    logins,
    network,
    nspawn,
    pci,
    pool,
    processes,
    rootfs,
    sysfs,
    systems,
    user_data,
)
from lab.apt import distribution
from lab.errors import LabError
from lab.inside import booted, enter, leader, record
from lab.paths import REPOSITORY, cache_dir
from lab.state import Account, Host, Lab

_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True)
class Order:
    """A server as someone asks for it: system, GPUs (as `lab.pci` reads them), kind of login.

    The rest is as in `lab.state.Host`; with `user_data` there is no login but that file's.
    """

    os: str
    gpus: tuple[str, ...]
    login: str = "key"
    newcomer: bool = False
    user_data: Path | None = None
    held: bool = False
    docker_disk: int | None = None
    lost_gpus: tuple[int, ...] = ()


def check_name(lab: Lab, name: str) -> None:
    """Raise LabError unless `name` is a host name that is free in this lab."""
    if not _NAME.fullmatch(name):
        raise LabError(f"{name!r} is no host name: letters a-z, digits and '-', a letter first")
    if name in lab.hosts:
        raise LabError(f"{name} exists already ({lab.hosts[name].address}); take another name")


def describe(lab: Lab, name: str, order: Order, address: str) -> Host:
    """Return the server `name` at `address`, with its keys and password made and no disk yet."""
    system = systems.find(order.os)
    pci.functions(list(order.gpus))  # a wrong model is reported before anything is made
    way_in = _way_in(lab, name, order, system)
    host_key = identity.host_key(_identity(lab, name))
    return Host(
        address=address,
        os=order.os,
        gpus=list(order.gpus),
        host_key=host_key,
        host_key_sha256=identity.fingerprint(host_key),
        newcomer=order.newcomer,
        held=order.held,
        docker_disk=order.docker_disk,
        lost_gpus=list(order.lost_gpus),
        **way_in,
    )


def _way_in(lab: Lab, name: str, order: Order, system: systems.System) -> dict[str, Any]:
    """Return what the server's login is, with its keys and password made."""
    public = identity.ensure_login_key(lab)
    if order.user_data is not None:
        data = user_data.read(order.user_data)
        identity.take_host_key(_identity(lab, name), data.host_key, data.host_public_key)
        copy = lab.machine_dir(name) / "user-data"
        atomic.write(copy, order.user_data.read_text(), mode=0o600)
        ours = public.split()[:2] in [key.split()[:2] for key in data.authorized_keys]
        key = lab.ssh_key if ours else None
        return {"user": data.user, "login": "cloud-init", "key_file": key, "user_data": copy}
    identity.ensure_host_keys(_identity(lab, name), name)
    kind = logins.find(order.login)
    # The provider of the Ubuntu server mails a password even where a key is installed.
    with_password = logins.has_password(kind) or system.distribution == "ubuntu"
    return {
        "user": "root" if kind.root else system.user,
        "login": order.login,
        "key_file": lab.ssh_key if kind.credential == "key" else None,
        "password_file": identity.ensure_password(lab, name) if with_password else None,
    }


def _identity(lab: Lab, name: str) -> Path:
    return lab.machine_dir(name) / "identity"


def install(lab: Lab, name: str) -> None:
    """Give the server `name` a bare disk and its PCI bus, in place of what it has."""
    host = lab.hosts[name]
    suite = systems.find(host.os).suites[distribution()[0]]
    more = [user_data.PACKAGE] if host.user_data else []
    disk.make(lab, name, host, rootfs.ensure(cache_dir(), suite, *more))
    bus = lab.machine_dir(name) / "pci"
    shutil.rmtree(bus, ignore_errors=True)
    sysfs.write(bus, pci.functions(host.gpus))


def installed(lab: Lab, name: str) -> bool:
    """Return whether the server `name` has a whole disk."""
    pool.ensure()
    return (lab.machine_dir(name) / "rootfs").is_dir() and (lab.machine_dir(name) / "pci").is_dir()


def running(lab: Lab, name: str) -> bool:
    """Return whether the server `name` has power."""
    return processes.find(lab, record(name)) is not None


def start(lab: Lab, name: str) -> None:
    """Switch the server `name` on if it is off; `wait` waits for it."""
    if running(lab, name):
        return
    pool.ensure()
    nspawn.clean_up(lab, name)
    network.attach(lab, name, lab.hosts[name].address)
    machine = network.namespace(lab, name)
    groups = cgroups.create(machine) if cgroups.needed() else []
    configuration = {
        "argv": nspawn.command(lab, name),
        "env": nspawn.environment(),
        "cgroups": [str(path) for path in groups],
        "netns": machine,
    }
    file = lab.machine_dir(name) / "supervise.json"
    atomic.write(file, json.dumps(configuration, indent=2))
    argv = [sys.executable, "-m", "lab.supervise", str(file)]
    processes.spawn(lab, record(name), argv, env={"PYTHONPATH": str(REPOSITORY)})


def wait(lab: Lab, name: str, *, timeout: float = 90.0) -> None:
    """Wait until the server `name` has booted and its SSH server answers.

    Raises:
        LabError: it lost power, or `timeout` seconds went by; with the end of its console.
    """
    deadline = time.monotonic() + timeout
    host = lab.hosts[name]
    # sshd counts a connection without a login against its source: ask when it is there, once.
    # A cloud-init that is held keeps the boot from its end, and sshd does not wait for it.
    while not ((host.held or booted(lab, name)) and _says_ssh(host)):
        if not running(lab, name) or time.monotonic() > deadline:
            log = lab.logs / f"{record(name)}.log"
            what = (
                f"not up after {timeout:.0f} s" if running(lab, name) else "it switched itself off"
            )
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
            raise LabError(f"{name}: {what}; its console, {log}, ends with:\n{tail}")
        time.sleep(0.1)


def stop(lab: Lab, name: str, *, grace: float = 10.0) -> None:
    """Switch the server `name` off: in order if that takes less than `grace` s, else the plug."""
    process = processes.find(lab, record(name))
    if process is not None:
        if grace > 0:
            os.kill(process.pid, signal.SIGTERM)
            processes.wait_gone(process, grace)
        with suppress(LabError):
            os.kill(leader(lab, name), signal.SIGKILL)
        processes.wait_gone(process, 5.0)
        processes.stop(lab, record(name))
    nspawn.clean_up(lab, name)


def reset(lab: Lab, name: str) -> None:
    """Give the server `name` a bare disk again, at its address and with its keys, and boot it."""
    stop(lab, name, grace=0)
    install(lab, name)
    start(lab, name)
    wait(lab, name)


def add_login(lab: Lab, name: str, login: str) -> Account:
    """Make one more account, called as its kind of login, on the server `name`, which is on."""
    kind = logins.find(login)
    user = "root" if kind.root else login
    password = identity.ensure_password(lab, name, user) if logins.has_password(kind) else None
    secret = f"{user}:{password.read_text().strip()}" if password else ""
    script = logins.script(kind, user, identity.ensure_login_key(lab))
    _inside(lab, name, script, secret)
    key = lab.ssh_key if kind.credential == "key" else None
    return Account(user=user, login=login, key_file=key, password_file=password)


def rekey(lab: Lab, name: str) -> None:
    """Give the server `name`, which is on, other host keys; the fleet's pins stay as they are."""
    keys = _identity(lab, name)
    shutil.rmtree(keys)
    identity.ensure_host_keys(keys, name)
    lines = ["set -e", "rm -f /etc/ssh/ssh_host_*"]
    for key in sorted(keys.iterdir()):
        mode = "644" if key.suffix == ".pub" else "600"
        lines += [f"install -m {mode} /dev/null /etc/ssh/{key.name}"]
        lines += [f"cat > /etc/ssh/{key.name} <<'END'", key.read_text().rstrip("\n"), "END"]
    # By the socket, sshd reads its keys at each connection.
    _inside(lab, name, "\n".join([*lines, "systemctl try-restart ssh.service"]))
    host_key = identity.host_key(keys)
    lab.hosts[name].host_key = host_key
    lab.hosts[name].host_key_sha256 = identity.fingerprint(host_key)


def release(lab: Lab, name: str) -> None:
    """Let the cloud-init of the server `name` come to its end, and wait until it has booted."""
    _inside(lab, name, f"rm -f /{user_data.HELD}")
    lab.hosts[name].held = False
    wait(lab, name)


def _inside(lab: Lab, name: str, script: str, stdin: str = "") -> None:
    done = enter(lab, name, ["sh", "-c", script], stdin=stdin)
    if done.returncode != 0:
        raise LabError(f"{name}: exit status {done.returncode}\n{done.stderr.strip()}")


def _says_ssh(host: Host) -> bool:
    with suppress(OSError), socket.create_connection((host.address, host.port), timeout=2) as link:
        return link.recv(4) == b"SSH-"
    return False
