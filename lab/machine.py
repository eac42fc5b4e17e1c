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

from lab import (
    atomic,
    cgroups,
    disk,
    identity,
    network,
    nspawn,
    pci,
    processes,
    rootfs,
    sysfs,
    systems,
)
from lab.apt import distribution
from lab.errors import LabError
from lab.inside import booted, leader, record
from lab.paths import REPOSITORY, cache_dir
from lab.state import Host, Lab, Login

_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True)
class Order:
    """A server as someone asks for it: system, GPUs (as `lab.pci` reads them), kind of login."""

    os: str
    gpus: tuple[str, ...]
    login: Login = "key"


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
    keys = lab.machine_dir(name) / "identity"
    identity.ensure_host_keys(keys, name)
    identity.ensure_login_key(lab)
    # The provider of the Ubuntu server mails a password even where a key is installed.
    has_password = order.login == "password" or system.distribution == "ubuntu"
    host_key = identity.host_key(keys)
    return Host(
        address=address,
        user=system.user,
        login=order.login,
        key_file=lab.ssh_key if order.login == "key" else None,
        password_file=identity.ensure_password(lab, name) if has_password else None,
        os=order.os,
        gpus=list(order.gpus),
        host_key=host_key,
        host_key_sha256=identity.fingerprint(host_key),
    )


def install(lab: Lab, name: str) -> None:
    """Give the server `name` a bare disk and its PCI bus, in place of what it has."""
    host = lab.hosts[name]
    suite = systems.find(host.os).suites[distribution()[0]]
    disk.make(lab, name, host, rootfs.ensure(cache_dir(), suite))
    bus = lab.machine_dir(name) / "pci"
    shutil.rmtree(bus, ignore_errors=True)
    sysfs.write(bus, pci.functions(host.gpus))


def installed(lab: Lab, name: str) -> bool:
    """Return whether the server `name` has a whole disk."""
    return (lab.machine_dir(name) / "rootfs").is_dir() and (lab.machine_dir(name) / "pci").is_dir()


def running(lab: Lab, name: str) -> bool:
    """Return whether the server `name` has power."""
    return processes.find(lab, record(name)) is not None


def start(lab: Lab, name: str) -> None:
    """Switch the server `name` on if it is off; `wait` waits for it."""
    if running(lab, name):
        return
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
    while not (booted(lab, name) and _says_ssh(host)):
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


def _says_ssh(host: Host) -> bool:
    with suppress(OSError), socket.create_connection((host.address, host.port), timeout=2) as link:
        return link.recv(4) == b"SSH-"
    return False
