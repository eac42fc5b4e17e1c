"""An SSH server that lets everybody in and then answers badly, in the place of a host."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko

Behaviour = Callable[[paramiko.Channel], None]


class _Server(paramiko.ServerInterface):
    """Accepts any login and any command."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=self._behaviour, args=(channel,), daemon=True).start()
        return True


@contextmanager
def impostor(behaviour: Behaviour, known_hosts: Path, *, pinned: bool = True) -> Iterator[int]:
    """Run the server; yield its port.

    Args:
        behaviour: what it does with a channel on which a command was asked for.
        known_hosts: where its host key is pinned.
        pinned: False pins another key than it has.
    """
    own = paramiko.ECDSAKey.generate()
    key = own if pinned else paramiko.ECDSAKey.generate()
    transports: list[paramiko.Transport] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        known_hosts.write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                    transport = paramiko.Transport(connection)
                    transport.add_server_key(own)
                    transports.append(transport)
                    transport.start_server(server=_Server(behaviour))
                except (OSError, EOFError, paramiko.SSHException):
                    if server.fileno() < 0:
                        return

        threading.Thread(target=serve, daemon=True).start()
        yield port
    for transport in transports:
        transport.close()


def garbage(channel: paramiko.Channel) -> None:
    """Answer with bytes that are no text."""
    _listen(channel)
    channel.sendall(bytes(range(256)) * 64)
    _end(channel)


def gigabyte(channel: paramiko.Channel) -> None:
    """Answer without an end, or until nobody listens any more."""
    line = b"x" * 65535 + b"\n"
    try:
        for _ in range(2**14):
            channel.sendall(line)
    except (OSError, EOFError):
        return


def silence(channel: paramiko.Channel) -> None:
    """Take the command, and never answer."""


def no_sudo(channel: paramiko.Channel) -> None:
    """Answer as our command does where the login may not use sudo."""
    _listen(channel)
    channel.sendall(b"==no-root\nsudo: a password is required\n")
    _end(channel)


def cut_off(channel: paramiko.Channel) -> None:
    """End the connection in the middle of an answer."""
    _listen(channel)
    channel.sendall(b"half an ans")
    channel.get_transport().close()


def _listen(channel: paramiko.Channel) -> None:
    """Read the whole script."""
    while channel.recv(65536):
        pass


def _end(channel: paramiko.Channel) -> None:
    channel.send_exit_status(0)
    channel.shutdown_write()
    channel.close()
