"""Run scripts as root on many hosts over SSH, one connection each, without a run of pyinfra.

Plain threads: commands that only look need neither pyinfra's state nor gevent's patches.
"""

from __future__ import annotations

import logging
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from paramiko import AuthenticationException, BadHostKeyException, SSHException
from paramiko.channel import Channel
from pyinfra.api.exceptions import PyinfraError
from pyinfra.connectors.ssh_util import load_key_with_certificate
from pyinfra.connectors.sshuserclient.client import get_host_keys

from torchrack.errors import HostError, Problem, TorchrackError
from torchrack.inventory import FleetHost
from torchrack.line import FIX, ConnectionLostError
from torchrack.root import NO_ROOT, SCRIPT_TIMEOUT, Passwordless, Root, no_root
from torchrack.ssh_client import SSHClient
from torchrack.ssh_config import route

T = TypeVar("T")

AT_ONCE = 40
"""Hosts asked at the same time."""
CONNECT_TIMEOUT = 10
"""Seconds to connect, as in a run of pyinfra."""
MOST_OUTPUT = 8 * 2**20
"""Bytes that an answer may have; a host that goes on and on is cut off."""

_DROPPED = (SSHException, EOFError, ConnectionResetError)
"""What a busy sshd or bastion does to a connection too many; worth another try."""
_FAILURES: tuple[tuple[type[BaseException], str, str], ...] = (
    (BadHostKeyException, "another host key than the pinned one", "verify it, then mend {pins}"),
    (AuthenticationException, "a refused login: {error}", "check user and key in the inventory"),
    (ConnectionLostError, "{error}", FIX),
    (TimeoutError, "no answer in time", "see whether the host is up and reachable"),
    (SSHException, "{error}", "see that sshd is well, and that {pins} has the host's verified key"),
    (OSError, "{error}", "see whether the host is up and reachable"),
    (EOFError, "a connection that ended", "see whether the host is up and reachable"),
    (PyinfraError, "{error}", "mend that on this machine (an SSH agent can hold a locked key)"),
    (BaseException, "{kind}: {error}", "this is a fault of Torchrack: report it"),
)
"""What is told of an error, the first that fits: what was found, and what to do."""
_NO_HANDSHAKE = "No existing session"
"""Paramiko's words for a server that took the connection and let the time for its answer pass."""


@dataclass(frozen=True)
class Answer:
    """What a script printed, in lines."""

    out: list[str]
    err: list[str]


class Session:
    """A host that is logged in to; ``trips`` counts the commands run there.

    Args:
        client: the open connection.
        host: the host that it leads to.
        root: how the login becomes root.
    """

    def __init__(self, client: SSHClient, host: FleetHost, root: Root | None = None) -> None:
        self.host = host
        self.trips = 0
        self._client = client
        self.root = root or Passwordless()

    def run(self, text: str, *, seconds: int = SCRIPT_TIMEOUT) -> Answer:
        """Run a shell script as root, handed over on standard input.

        Args:
            text: the script, for sh; its own standard input is empty.
            seconds: how long it may take on the host.

        Raises:
            HostError: no root there, another exit status than 0, or more than MOST_OUTPUT bytes.
        """
        status, answer = self.as_login(
            self.root.command(seconds), self.root.input(text), seconds=seconds
        )
        if NO_ROOT in answer.out:
            raise HostError(no_root(self.host.name, self.host.data["ssh_user"], answer.out))
        if status != 0:
            said = " ".join(answer.err[-3:]) or "without a word"
            raise unknown(self.host, f"a script that ended with {status}: {said}", "look at it")
        return answer

    def as_login(
        self, command: str, text: str = "", *, seconds: int = SCRIPT_TIMEOUT
    ) -> tuple[int, Answer]:
        """Run a command as the login itself; return its exit status with what it printed.

        Args:
            command: for sh; it stands in the host's process list.
            text: what is written to its standard input.
            seconds: how long it may take on the host.

        Raises:
            HostError: more than MOST_OUTPUT bytes.
        """
        self.trips += 1
        # The login shell may be another than sh.
        stdin, stdout, _ = self._client.exec_command(
            f"sh -c {shlex.quote(command)}", timeout=seconds + 15
        )
        channel = stdout.channel
        deadline = time.monotonic() + seconds + 15
        with suppress(OSError):  # one that ended before it read all of it has said why
            stdin.write(text)
            channel.shutdown_write()
        out = self._lines(channel, channel.recv, deadline)
        err = self._lines(channel, channel.recv_stderr, deadline)
        return channel.recv_exit_status(), Answer(out, err)

    def _lines(
        self, channel: Channel, receive: Callable[[int], bytes], deadline: float
    ) -> list[str]:
        parts, size = [], 0
        while part := receive(2**16):
            parts.append(part)
            size += len(part)
            if size > MOST_OUTPUT:
                channel.close()
                found = f"more than {MOST_OUTPUT // 2**20} MiB of output"
                raise unknown(self.host, found, "look at what its shells print at login")
            if time.monotonic() > deadline:
                channel.close()
                raise TimeoutError
        return b"".join(parts).decode("utf-8", "replace").splitlines()


def across(
    hosts: Sequence[FleetHost],
    work: Callable[[Session], T],
    answered: Callable[[], None] = lambda: None,
    *,
    seconds: float | None = None,
) -> dict[str, T | Problem]:
    """Log in to every host and work there; return what came of it, or why that is not known.

    Args:
        hosts: the hosts, with the connection data that a run would use.
        work: what to do with each; a HostError that it raises is that host's problem.
        answered: called after each host, in the calling thread.
        seconds: how long all of it may take; a host that has not answered by then is a problem.
    """
    for name in ("paramiko", "pyinfra"):  # they would write to the terminal beside our problems
        logging.getLogger(name).addHandler(logging.NullHandler())
    for path in {_known_hosts(host.data) for host in hosts}:
        get_host_keys((path,))  # read once, here: pyinfra guards it with a lock of gevent's
    found: dict[str, T | Problem] = {}
    pool = ThreadPoolExecutor(min(len(hosts), AT_ONCE) or 1)
    try:
        asked = {pool.submit(_one, host, work): host.name for host in hosts}
        for future in as_completed(asked, seconds):
            found[asked[future]] = future.result()
            answered()
    except TimeoutError:
        late = f"no answer within {seconds:.0f} s, the time limit of the whole"
        fix = "see what keeps it, or give more time"
        for host in hosts:
            found.setdefault(host.name, unknown(host, late, fix).problem)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return {host.name: found[host.name] for host in hosts}


def unknown(host: FleetHost, found: str, fix: str) -> HostError:
    """The error for a host of which something can't be told."""
    return HostError(
        Problem(
            host.name,
            "Facts of the host",
            found,
            "an SSH connection and the script's whole answer",
            fix,
        )
    )


@contextmanager
def session(host: FleetHost) -> Iterator[Session]:
    """Log in to one host with the connection data that a run would use.

    Raises:
        HostError: the login failed, or the connection did while it was in use.
    """
    with told(host), SSHClient() as client:
        connect(client, host.data)
        yield Session(client, host)


@contextmanager
def told(host: FleetHost) -> Iterator[None]:
    """Turn whatever fails on the way to a host, and there, into the host's own error.

    Raises:
        TorchrackError: as it was raised; a HostError made of any other exception.
    """
    try:
        yield
    except TorchrackError:
        raise
    except (Exception, SystemExit) as error:  # whatever ails one host must not hide the others
        pins, kind = _known_hosts(host.data), type(error).__name__
        text = str(error).removeprefix("StrictPolicy: ") or kind
        if isinstance(error, ConnectionLostError):
            text = error.said
        if text == _NO_HANDSHAKE:
            text = f"an open port and no SSH handshake within {CONNECT_TIMEOUT} s"
        found, fix = next((f, x) for k, f, x in _FAILURES if isinstance(error, k))
        if isinstance(error, BadHostKeyException):
            address = host.data["ssh_hostname"]
            way = route(address, host.data["ssh_port"], host.data["ssh_user"])
            if way.hostname != address:
                found = f"the key of {way.hostname}, where ssh_config leads {address}"
                fix = f"see ssh -G {address}; the pinned key is that of {address} itself"
        raise unknown(host, found.format(error=text, kind=kind), fix.format(pins=pins)) from error


def _one(host: FleetHost, work: Callable[[Session], T]) -> T | Problem:
    try:
        with session(host) as open_session:
            return work(open_session)
    except HostError as error:
        return error.problem
    except TorchrackError as error:
        return unknown(host, str(error), "mend that on this machine").problem


def connect(client: SSHClient, data: dict[str, Any], **instead: Any) -> None:
    """Connect as pyinfra's connector does with the same data, ssh_config's jump hosts included.

    Args:
        client: what connects.
        data: the host's connection data.
        instead: arguments of paramiko's connect that replace those made of the data.

    Raises:
        Exception: whatever paramiko raises; :func:`told` says what it means.
    """
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
    arguments |= instead
    for left in reversed(range(data["ssh_connect_retries"] + 1)):
        try:
            client.connect(data["ssh_hostname"], **arguments)
            return
        except (AuthenticationException, BadHostKeyException, TorchrackError):
            raise
        except _DROPPED as error:
            if not left or "known_hosts" in str(error):
                raise
        time.sleep(data["ssh_connect_retry_max_delay"])


def _known_hosts(data: dict[str, Any]) -> str:
    return str(Path(data["ssh_known_hosts_file"]).expanduser())
