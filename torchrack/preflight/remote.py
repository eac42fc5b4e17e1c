"""Ask hosts for their facts over SSH, without a run of pyinfra: one connection, one command each.

Plain threads: commands that only look need neither pyinfra's state nor gevent's patches.
"""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from paramiko import AuthenticationException, BadHostKeyException, SSHException
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.ssh_util import load_key_with_certificate
from pyinfra.connectors.sshuserclient import SSHClient
from pyinfra.connectors.sshuserclient.client import get_host_keys

from torchrack.errors import Problem
from torchrack.inventory import FleetHost
from torchrack.preflight.facts import HostFacts, UnclearAnswer, parse
from torchrack.preflight.root import NO_ROOT, PASSWORDLESS, SCRIPT_TIMEOUT, no_root
from torchrack.preflight.script import script
from torchrack.settings import Preflight
from torchrack.settings.model import Settings, merge

AT_ONCE = 40
"""Hosts asked at the same time."""
CONNECT_TIMEOUT = 10
"""Seconds to connect, as in a run of pyinfra."""

_DROPPED = (SSHException, EOFError, ConnectionResetError)
"""What a busy sshd or bastion does to a connection too many; worth another try."""
_FAILURES: tuple[tuple[type[Exception], str, str], ...] = (
    (BadHostKeyException, "another host key than the pinned one", "verify it, then mend {pins}"),
    (AuthenticationException, "a refused login: {error}", "check user and key in the inventory"),
    (TimeoutError, "no answer in time", "see whether the host is up and reachable"),
    (SSHException, "{error}", "see that sshd is well, and that {pins} has the host's verified key"),
    (OSError, "{error}", "see whether the host is up and reachable"),
    (EOFError, "a connection that ended", "see whether the host is up and reachable"),
    (PyinfraError, "{error}", "mend that on this machine (an SSH agent can hold a locked key)"),
    (Exception, "{kind}: {error}", "this is a fault of Torchrack: report it"),
)
"""What is told of an error, the first that fits: what was found, and what to do."""


def gather(
    hosts: Sequence[FleetHost], answered: Callable[[], None] = lambda: None
) -> dict[str, HostFacts | Problem]:
    """Return what each host is, or why that can't be told; nothing is changed on any.

    Args:
        hosts: the hosts, with the connection data that a run would use.
        answered: called after each host, in the calling thread.
    """
    for name in ("paramiko", "pyinfra"):  # they would write to the terminal beside our problems
        logging.getLogger(name).addHandler(logging.NullHandler())
    for path in {_known_hosts(host.data) for host in hosts}:
        get_host_keys((path,))  # read once, here: pyinfra guards it with a lock of gevent's
    found: dict[str, HostFacts | Problem] = {}
    pool = ThreadPoolExecutor(min(len(hosts), AT_ONCE) or 1)
    try:
        asked = {pool.submit(_ask, host): host.name for host in hosts}
        for future in as_completed(asked):
            found[asked[future]] = future.result()
            answered()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return {host.name: found[host.name] for host in hosts}


def _ask(host: FleetHost) -> HostFacts | Problem:
    try:
        with SSHClient() as client:
            _connect(client, host.data)
            rc, out, err = _run(client, script(_lean(host.settings)))
    except Exception as error:  # whatever ails one host must not hide the plans of the others
        pins, kind = _known_hosts(host.data), type(error).__name__
        text = str(error).removeprefix("StrictPolicy: ") or kind
        found, fix = next((f, x) for k, f, x in _FAILURES if isinstance(error, k))
        return _unknown(host, found.format(error=text, kind=kind), fix.format(pins=pins))
    if NO_ROOT in out:
        return no_root(host.name, host.data["ssh_user"], out)
    if rc != 0:
        said = " ".join(err[-3:]) or "without a word"
        return _unknown(host, f"a script that ended with {rc}: {said}", "look at the host")
    try:
        return parse(out, err)
    except UnclearAnswer as error:
        return _unknown(host, f"an answer that makes no sense: {error}", "look at the host")


def _connect(client: SSHClient, data: dict[str, Any]) -> None:
    """Connect as pyinfra's connector does with the same data, ssh_config's jump hosts included."""
    key = data.get("ssh_key")
    arguments: dict[str, Any] = {
        "username": data["ssh_user"],
        "port": data["ssh_port"],
        "timeout": CONNECT_TIMEOUT,
        "allow_agent": not key and data["ssh_allow_agent"],
        "look_for_keys": False,
        "_pyinfra_ssh_config_file": data.get("ssh_config_file"),
        "_pyinfra_ssh_known_hosts_file": _known_hosts(data),
        "_pyinfra_ssh_strict_host_key_checking": data["ssh_strict_host_key_checking"],
        "_pyinfra_ssh_paramiko_connect_kwargs": data["ssh_paramiko_connect_kwargs"],
    }
    if key:
        arguments["pkey"] = load_key_with_certificate(str(key), allow_prompt=False)
    for left in reversed(range(data["ssh_connect_retries"] + 1)):
        try:
            client.connect(data["ssh_hostname"], **arguments)
            return
        except (AuthenticationException, BadHostKeyException):
            raise
        except _DROPPED as error:
            if not left or "known_hosts" in str(error):
                raise
        time.sleep(data["ssh_connect_retry_max_delay"])


def _run(client: SSHClient, text: str) -> tuple[int, list[str], list[str]]:
    """Run the script as root, read from standard input; return exit status and output lines."""
    command = f"sh -c {shlex.quote(PASSWORDLESS)}"  # the login shell may be another than sh
    stdin, stdout, stderr = client.exec_command(command, timeout=SCRIPT_TIMEOUT + 15)
    stdin.write(text)
    stdin.channel.shutdown_write()
    out, err = stdout.read(), stderr.read()
    lines = [part.decode("utf-8", "replace").splitlines() for part in (out, err)]
    return stdout.channel.recv_exit_status(), lines[0], lines[1]


def _lean(settings: Settings) -> Settings:
    """The settings that matter to what a host is: no mirror is contacted, no secret is read."""
    layer = {"driver": settings.driver, "preflight": Preflight(check_reachability=False)}
    return merge([layer])


def _known_hosts(data: dict[str, Any]) -> str:
    return str(Path(data["ssh_known_hosts_file"]).expanduser())


def _unknown(host: FleetHost, found: str, fix: str) -> Problem:
    return Problem(
        host.name,
        "Facts of the host",
        found,
        "an SSH connection and the script's whole answer",
        fix,
    )
