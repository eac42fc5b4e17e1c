"""How a person, or root on this machine, gets into a simulated server."""

import os
import sys
from pathlib import Path

from lab import atomic
from lab.errors import LabError
from lab.state import Host, Lab

_ASKPASS = '#!/bin/sh\nexec cat "$LAB_PASSWORD_FILE"\n'


def host(lab: Lab, name: str) -> Host:
    """Return the server `name`, or say which there are."""
    if name not in lab.hosts:
        raise LabError(f"no server {name!r} in this lab; it has {', '.join(lab.hosts) or 'none'}")
    return lab.hosts[name]


def ssh_command(lab: Lab, name: str) -> list[str]:
    """Return the ssh command line for the server `name`, its host key pinned."""
    server = host(lab, name)
    argv = ["ssh", "-p", str(server.port), "-o", f"UserKnownHostsFile={lab.own_known_hosts}"]
    argv += ["-o", "StrictHostKeyChecking=yes", "-o", "GlobalKnownHostsFile=none"]
    argv += ["-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10", "-F", "none"]
    if server.key_file is not None:
        argv += ["-i", str(server.key_file), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]
    else:
        argv += ["-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=1"]
    return [*argv, f"{server.user}@{server.address}"]


def ssh(lab: Lab, name: str, command: list[str]) -> None:
    """Become ssh to the server `name`; a password is read by an askpass program from its file."""
    argv = ssh_command(lab, name)
    if not command and sys.stdin.isatty():
        argv.insert(1, "-t")
    environment = dict(os.environ)
    server = host(lab, name)
    if server.key_file is None:
        environment |= {
            "SSH_ASKPASS": str(_askpass(lab)),
            "SSH_ASKPASS_REQUIRE": "force",
            "LAB_PASSWORD_FILE": str(server.password_file),
        }
    # As with ssh itself, the words are joined by spaces and read by the user's shell over there.
    words = [*argv, "--", *command] if command else argv
    os.execvpe("ssh", words, environment)  # noqa: S606 - ssh takes this process's terminal


def _askpass(lab: Lab) -> Path:
    program = lab.directory / "askpass"
    if not program.exists():
        atomic.write(program, _ASKPASS, mode=0o755)
    return program
