"""What answers at an address: one connection up to the key exchange, and no login."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from paramiko import PKey, SSHException
from paramiko.ssh_exception import IncompatiblePeer

from torchrack.connect import transport_factory
from torchrack.errors import HostError, Problem
from torchrack.ssh_client import SSHClient
from torchrack.ssh_config import SSHConfigError

_GREETING = b"SSH-"
_FIREWALL = (
    "see that the server is up, that its sshd listens there, and that no firewall stands between"
)


@dataclass(frozen=True)
class Probe:
    """An SSH server that answered.

    Args:
        banner: its identification, "SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13".
        system: a guess of the operating system from it, or "".
        key: the host key it showed.
    """

    banner: str
    system: str
    key: PKey


def probe(
    address: str,
    port: int,
    *,
    user: str | None = None,
    seconds: float = 10,
    where: str | None = None,
) -> Probe:
    """Connect once, up to the exchange of keys, and go; jump hosts of ssh_config are used.

    The host key that is shown is of the type that a later login sees: both leave the choice to
    paramiko's order, Ed25519 first.

    Args:
        address: host name or IP address.
        port: TCP port of sshd.
        user: who logs in afterwards: ssh_config can make the way depend on that.
        seconds: how long to wait, for the connection and for each answer.
        where: the server's name for messages; unset means the address.

    Raises:
        HostError: there is no such host, nothing listens there, or what does is no SSH server
            that can be talked to.
    """
    where = where or address
    at = f"{address} port {port}"
    try:
        return _ask(address, port, user, seconds)
    except SSHConfigError as error:
        raise _error(where, at, str(error), "correct ssh_config on this machine") from None
    except _NoGreetingError as error:
        raise _error(where, at, str(error), error.fix) from None
    except IncompatiblePeer as error:
        found = f"an SSH server without an algorithm in common with this machine: {error}"
        raise _error(where, at, found, "update its OpenSSH (8.9 or newer is needed)") from None
    except socket.gaierror as error:
        found = f"no such host ({error.strerror})"
        raise _error(where, at, found, "correct the address, or the name service") from None
    except TimeoutError:
        raise _error(where, at, f"no answer within {seconds:g} s", _FIREWALL) from None
    except SSHException as error:
        raise _error(where, at, f"an SSH server that broke off: {error}", _FIREWALL) from None
    except (OSError, EOFError) as error:
        found = getattr(error, "strerror", None) or "an SSH server that broke off"
        raise _error(where, at, found, _FIREWALL) from None


def system_of(banner: str) -> str:
    """Guess the operating system from an SSH server's identification; "" when it doesn't say."""
    return next((system for pattern, system in _table() if pattern.search(banner)), "")


class _NoGreetingError(Exception):
    """What answered does not speak SSH, or not to us."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(found)
        self.fix = fix


@cache
def _table() -> list[tuple[re.Pattern[str], str]]:
    rows = yaml.safe_load(Path(__file__).with_name("banners.yml").read_text(encoding="utf-8"))
    return [(re.compile(row["pattern"]), row["system"]) for row in rows]


def _ask(address: str, port: int, user: str | None, seconds: float) -> Probe:
    with SSHClient() as client:
        wanted = {"port": port, "timeout": seconds, "username": user}
        hostname, config, *_ = client.parse_config(address, wanted, strict_host_key_checking="yes")
        sock: Any = config.get("sock")
        if sock is None:
            sock = socket.create_connection((hostname, port), timeout=seconds)
        if isinstance(sock, socket.socket):
            _look_at_greeting(sock)
        transport = transport_factory(sock)
        transport.banner_timeout = seconds
        try:
            transport.start_client(timeout=seconds)
            banner = transport.remote_version
            return Probe(banner, system_of(banner), transport.get_remote_server_key())
        finally:
            transport.close()


def _look_at_greeting(sock: socket.socket) -> None:
    """Look at the first bytes without taking them, for a better message than paramiko's."""
    try:
        first = sock.recv(200, socket.MSG_PEEK)
    except TimeoutError:
        sock.close()
        raise _NoGreetingError(
            "something that does not greet as an SSH server does",
            "correct the port; if it is right, see what keeps its sshd",
        ) from None
    except BaseException:
        sock.close()
        raise
    if first.startswith(_GREETING[: len(first)]) and first:
        return
    sock.close()
    said = first.decode("ascii", "replace").splitlines()[0].strip() if first.strip() else ""
    if not said:
        raise _NoGreetingError(
            "a connection that was closed without a word",
            "wait a minute and run again: sshd drops an address that has just failed to log in, "
            "and connections beyond MaxStartups; else see its log (journalctl -u ssh)",
        )
    if re.match("Not allowed at this time|Exceeded MaxStartups", said):
        raise _NoGreetingError(
            f"an SSH server that says {said!r}",
            "wait some minutes and run again: it punishes this address for failed logins, or has "
            "too many at once (PerSourcePenalties, MaxStartups)",
        )
    raise _NoGreetingError(
        f"something that is no SSH server: it says {said[:60]!r}", "correct the port"
    )


def _error(where: str, at: str, found: str, fix: str) -> HostError:
    return HostError(Problem(where, "The SSH server", f"{found} at {at}", "an SSH server", fix))
