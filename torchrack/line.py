"""A connection that notices when it is dead, and says so wherever somebody waits for an answer.

paramiko sends keepalives and does not look for answers (paramiko/paramiko#2463); the kernel gives
up after a quarter of an hour, and knows nothing of a line through a jump host. So we ask as OpenSSH
does with ServerAliveInterval: sshd answers, however long a command is quiet.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import paramiko
from paramiko import common

INTERVAL = 5.0
"""Seconds without a word from the host after which it is asked for one."""
DEAD_AFTER = 45.0
"""Seconds without a word after which the connection counts as dead: OpenSSH's usual three times 15.
A switch that relearns its ports, or a driver that resets the network card, takes less."""
_PAUSED = 5.0
"""Seconds between two looks after which this program itself was stopped, or waited for somebody."""

FIX = (
    "look at the host from elsewhere or at its console (is it up, has its network or its firewall "
    "changed?), and run again: the run continues from there"
)


class ConnectionLostError(ConnectionError, EOFError):
    """The host has not answered for too long, or the connection ended during a command.

    An OSError for those who wait for a command, an EOFError for paramiko, which logs any other
    error of a socket with a traceback.
    """

    def __init__(self, said: str) -> None:
        # pyinfra prints an error's arguments, not its text.
        super().__init__(f"{said}. What to do: {FIX}")
        self.said = said


class Line:
    """A socket, or what paramiko takes for one, that knows when it last heard something.

    Args:
        sock: the socket, a jump host's channel, or a ProxyCommand.
        ask: called, in a thread of its own, where the host has been silent; returns whether it
            could be asked.
    """

    def __init__(self, sock: Any, ask: Callable[[], bool]) -> None:
        self._sock = sock
        self._ask = ask
        self._heard = self._asked = self._looked = time.monotonic()
        self._waits = False
        self.dead = ""
        """Why the line is dead; empty while it is not."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv(self, size: int) -> bytes:
        """Receive; paramiko calls this all the time, with a timeout of a tenth of a second.

        Raises:
            ConnectionLostError: nothing has been heard for too long, though it was asked for.
        """
        try:
            data: bytes = self._sock.recv(size)
        except OSError:  # a timeout, in whatever shape
            self._look()
            raise
        self._heard = self._looked = time.monotonic()
        self._waits = False
        return data

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked > _PAUSED:
            self._heard = self._asked = now
        self._looked = now
        if self._waits and now - self._heard > DEAD_AFTER:
            self.dead = f"the connection is dead: no answer for {DEAD_AFTER:.0f} s"
            raise ConnectionLostError(self.dead)
        if now - max(self._heard, self._asked) > INTERVAL:
            self._asked = now
            # A writer that is stuck holds paramiko's lock: not in the thread that looks.
            threading.Thread(target=self._try, daemon=True).start()

    def _try(self) -> None:
        with suppress(OSError, EOFError, paramiko.SSHException):
            self._waits = self._ask() or self._waits


class Transport(paramiko.Transport):
    """A transport over a :class:`Line`, whose channels take no end of the line for an answer."""

    def __init__(self, sock: Any, **kwargs: Any) -> None:
        self._line = Line(sock, self._ask)
        super().__init__(cast("Any", self._line), **kwargs)

    @property
    def ended(self) -> str:
        """How the connection ended; empty while it lasts."""
        if self._line.dead:
            return self._line.dead
        # The exception comes first, then the channels end, then the transport is not active.
        over = self.saved_exception is not None or not self.is_active()
        return "the connection ended" if over else ""

    def set_keepalive(self, interval: float) -> None:
        """Do nothing: we ask more often than anybody's ServerAliveInterval."""

    def open_channel(self, *args: Any, **kwargs: Any) -> paramiko.Channel:
        """Open a channel that raises an error when the line is dead."""
        channel = super().open_channel(*args, **kwargs)
        channel.__class__ = _Channel  # paramiko has no place to say so
        return channel

    def _ask(self) -> bool:
        """Send what the host has to answer, as OpenSSH's client does (RFC 4254, section 4)."""
        if not self.is_authenticated():
            return False
        message = paramiko.Message()
        message.add_byte(common.cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)
        cast("Any", self)._send_user_message(message)
        return True


class _Channel(paramiko.Channel):
    def recv_exit_status(self) -> int:
        """Return the status; the line's end is an error, and no status of -1.

        Raises:
            ConnectionLostError: the connection ended before the command did.
        """
        status = super().recv_exit_status()
        transport = self.transport
        if status == -1 and isinstance(transport, Transport) and transport.ended:
            raise ConnectionLostError(f"{transport.ended} during a command")
        return status


def lost(host: Any) -> str:
    """Return what became of the connection of one of pyinfra's hosts; empty where it is alive."""
    transport = _transport(host)
    return transport.ended if isinstance(transport, Transport) else ""


def host_key(host: Any) -> str:
    """Return the key that one of pyinfra's hosts has shown, type and base64; empty without one."""
    transport = _transport(host)
    if not isinstance(transport, Transport):
        return ""
    key = transport.get_remote_server_key()
    return f"{key.get_name()} {key.get_base64()}"


def _transport(host: Any) -> Any:
    client = getattr(getattr(host, "connector", None), "client", None)
    return client.get_transport() if client else None
