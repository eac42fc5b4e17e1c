"""An SSH server in this process, on loopback: what it lets in, and what it saw."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_PARTIALLY_SUCCESSFUL, AUTH_SUCCESSFUL


@dataclass
class Rules(paramiko.ServerInterface):
    """Whom the server lets in.

    Args:
        methods: what it offers, joined by commas.
        password: the right one.
        key: the right public key.
        more: whether a right credential is not enough.
        prompts: what keyboard-interactive asks after the password.
        replies: exec command's prefix to (status, stdout, stderr).
    """

    methods: str = "publickey,password"
    password: str = "right"  # noqa: S105 - a word for the tests
    key: paramiko.PKey | None = None
    more: bool = False
    prompts: tuple[str, ...] = ()
    replies: dict[str, tuple[int, bytes, bytes]] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def get_allowed_auths(self, username: str) -> str:
        return self.methods

    def check_auth_none(self, username: str) -> int:
        self.seen.append(("none", username))
        return AUTH_FAILED

    def _judge(self, right: bool) -> int:
        return (
            (AUTH_PARTIALLY_SUCCESSFUL if self.more else AUTH_SUCCESSFUL) if right else AUTH_FAILED
        )

    def check_auth_password(self, username: str, password: str) -> int:
        self.seen.append(("password", password))
        return self._judge(password == self.password)

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.seen.append(("publickey", key.get_base64()))
        return self._judge(self.key is not None and key.get_base64() == self.key.get_base64())

    def check_auth_interactive(self, username: str, submethods: str):
        self._left = list(self.prompts)
        return paramiko.InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]):
        self.seen.append(("interactive", responses[0]))
        if self._left:
            return paramiko.InteractiveQuery("", "", (self._left.pop(0), False))
        return self._judge(responses[0] == self.password)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        text = command.decode()
        self.commands.append(text)
        status, out, err = next(
            (reply for part, reply in self.replies.items() if part in text), (127, b"", b"")
        )

        def answer() -> None:
            while channel.recv(2**16):
                pass  # the client has its request confirmed, and has written everything
            channel.sendall(out)
            channel.sendall_stderr(err)
            channel.send_exit_status(status)
            channel.close()

        threading.Thread(target=answer, daemon=True).start()
        return True


@contextmanager
def serving(
    rules: Rules, host_key: paramiko.PKey, address: str = "127.0.0.1", port: int = 0
) -> Iterator[int]:
    """Serve connections; yields the port."""
    listener = socket.create_server((address, port))
    transports = []

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(sock)
            transport.add_server_key(host_key)
            transports.append(transport)
            try:
                transport.start_server(server=rules)
            except (paramiko.SSHException, EOFError, OSError):  # the client has gone already
                transport.close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for transport in transports:
            transport.close()
        thread.join(5)
