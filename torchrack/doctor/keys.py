"""What a fleet is logged in to with: private keys, the SSH agent, pinned host keys."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from torchrack.doctor.model import Checked, lacking, wrong
from torchrack.errors import HostError, Problem
from torchrack.inventory import FleetHost, OpenGroup
from torchrack.onboard import credentials, pins
from torchrack.ssh_config import SSHConfigError, repin, route

AGENT_SECONDS = 5


def checks(hosts: Sequence[FleetHost], groups: Iterable[OpenGroup]) -> Iterator[Checked]:
    """Look at what an inventory's hosts are logged in to with.

    Args:
        hosts: of the inventory.
        groups: that take more hosts, whose key is the one that these will have.
    """
    named = [host.data.get("ssh_key") for host in hosts] + [group.key for group in groups]
    for path in dict.fromkeys(str(key) for key in named if key):
        yield private_key(Path(path).expanduser())
    by_agent = [h.name for h in hosts if h.data["ssh_allow_agent"] and not h.data.get("ssh_key")]
    if by_agent:
        yield agent(by_agent)
    bare = [h.name for h in hosts if not (h.data["ssh_allow_agent"] or h.data.get("ssh_key"))]
    for name in bare:
        needed, fix = "a key, or agent=True", "give it one in the inventory or its hosts file"
        yield wrong(Problem(name, "Login", "neither a key nor the agent", needed, fix))
    yield from pinned(hosts)


def private_key(path: Path) -> Checked:
    """Check a private key that runs log in with, and its public half.

    Args:
        path: the key's file.
    """
    what = f"SSH key {path}"
    if not path.is_file():
        fix = f"make one: ssh-keygen -t ed25519 -N '' -f {path}, or correct the path"
        return lacking(what, "no such file", "a private key", fix)
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        return lacking(what, f"open to others (mode {mode:04o})", "0600", f"chmod 600 {path}")
    try:
        key = credentials.load(what, path)
        public = credentials.public_key(what, path)
    except HostError as error:
        problem, fix = error.problem, error.problem.fix
        if "passphrase" in problem.found:
            fix = (
                f"ssh-add {path}, and write agent=True in the place of the key; or use a key of "
                "this fleet's own without a passphrase"
            )
        return lacking(what, problem.found, problem.needed, fix)
    if public.split()[1] != key.get_base64():
        fix = f"ssh-keygen -y -f {path} > {path}.pub"
        return lacking(what, f"{path}.pub is another key's", "its public half", fix)
    return Checked(what, f"{key.get_name()}, {pins.fingerprint(key)}")


def agent(names: Sequence[str]) -> Checked:
    """Check the SSH agent, which hosts are logged in to with.

    Args:
        names: the hosts.
    """
    what, needed = "SSH agent", f"a key in it, for {', '.join(names)}"
    try:
        done = subprocess.run(
            ["ssh-add", "-l"], capture_output=True, text=True, check=False, timeout=AGENT_SECONDS
        )
    except FileNotFoundError:
        return lacking(what, "unknown: no ssh-add", needed, "apt-get install openssh-client")
    except (OSError, subprocess.SubprocessError) as error:
        return lacking(what, f"unknown: {error}", needed, "start it anew: eval $(ssh-agent)")
    if done.returncode == 0:
        return Checked(what, f"{len(done.stdout.splitlines())} key(s)")
    if done.returncode == 1:
        return lacking(what, "no key in it", needed, "ssh-add FILE")
    return lacking(what, "none", needed, "eval $(ssh-agent) && ssh-add FILE")


def pinned(hosts: Sequence[FleetHost]) -> Iterator[Checked]:
    """Check that each host has a pinned host key.

    Args:
        hosts: of the inventory.
    """
    there, told = 0, set()
    for host in hosts:
        file = Path(host.data["ssh_known_hosts_file"])
        address, port = host.data["ssh_hostname"], host.data["ssh_port"]
        try:
            if pins.pinned(file, address, port):
                there += 1
                continue
            fix = (
                f"at its console, ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub; here, "
                f"ssh-keyscan -p {port} -t ed25519 {address}; where both agree, add it to {file}"
            )
            name = pins.known_as(address, port)
            found, needed = f"none for {name} in {file}", "a pinned one"
            if alias := _by_alias(file, host):
                found += f", but for {alias}, to which ssh_config leads it"
                fix = f"if {alias} is {host.name}: {repin(str(file), alias, name)}; else {fix}"
            yield wrong(Problem(host.name, "Host key", found, needed, fix))
        except HostError as error:
            if error.problem not in told:
                told.add(error.problem)
                yield wrong(error.problem)
    if there:
        yield Checked("Host keys", f"{there} of {len(hosts)} host(s) pinned")


def _by_alias(file: Path, host: FleetHost) -> str:
    """The name that ssh_config makes of a host's address, where a key is pinned for that."""
    data = host.data
    try:
        way = route(data["ssh_hostname"], data["ssh_port"], data["ssh_user"])
    except SSHConfigError:
        return ""
    if way.hostname == data["ssh_hostname"] or not pins.pinned(
        file, way.hostname, data["ssh_port"]
    ):
        return ""
    return pins.known_as(way.hostname, data["ssh_port"])
