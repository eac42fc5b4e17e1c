"""The line to a server is cut while a command runs.

A firewall, a VPN that goes down, or the server's own new network swallow everything from one
moment to the next. paramiko sends keepalives and does not look for answers: a run was silent until
the operation's half hour was over, and said only that it had failed.

Reference: https://github.com/paramiko/paramiko/issues/2463
Reference: https://github.com/paramiko/paramiko/issues/439
Kind: a line that is dead, and not noticed.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest

from tests.unit.ssh_server import Rules, serving
from torchrack import line
from torchrack.connect import transport_factory
from torchrack.errors import HostError
from torchrack.inventory import FleetHost
from torchrack.line import ConnectionLostError, Line, lost
from torchrack.remote import told
from torchrack.runner.watch import _reason
from torchrack.settings.model import merge

KEY = paramiko.ECDSAKey.generate()


class Quiet(Rules):
    """A server whose commands say nothing until the client goes."""

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        if b"short" in command:
            return super().check_channel_exec_request(channel, command)
        return True


class Wire:
    """What a jump host's channel is to paramiko: no socket. It can be cut, without a word."""

    def __init__(self, port: int) -> None:
        self.cut = threading.Event()
        self._closed = False
        self._sock = socket.create_connection(("127.0.0.1", port))

    def recv(self, size: int) -> bytes:
        if self.cut.wait(0):
            time.sleep(0.05)
            raise TimeoutError
        return self._sock.recv(size)

    def send(self, data: bytes) -> int:
        return len(data) if self.cut.is_set() else self._sock.send(data)

    def settimeout(self, seconds: float) -> None:
        self._sock.settimeout(seconds)

    def close(self) -> None:
        self._sock.close()


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    monkeypatch.setattr(line, "INTERVAL", 0.1)
    monkeypatch.setattr(line, "DEAD_AFTER", 0.6)
    with serving(Quiet(replies={"short": (0, b"done\n", b"")}), KEY) as port:
        wire = Wire(port)
        yield wire
        wire.close()


@pytest.fixture
def client(wire: Wire) -> Iterator[paramiko.SSHClient]:
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.MissingHostKeyPolicy())
        client.connect(
            "127.0.0.1", username="admin", password="right", sock=wire,  # type: ignore[arg-type]  # noqa: S106
            allow_agent=False, look_for_keys=False, transport_factory=transport_factory,
        )  # fmt: skip
        yield client


def test_whoever_waits_for_a_command_is_told(client: paramiko.SSHClient, wire: Wire) -> None:
    _, stdout, _ = client.exec_command("apt-get install")
    wire.cut.set()
    began = time.monotonic()
    assert stdout.read() == b""
    with pytest.raises(ConnectionLostError, match=r"no answer for .* What to do: look at the host"):
        stdout.channel.recv_exit_status()
    assert time.monotonic() - began < 5
    host = SimpleNamespace(name="gpu01", connector=SimpleNamespace(client=client))
    assert lost(host).startswith("the connection is dead: no answer for ")
    text = _reason(host, "docker | Install and hold the engine", None)  # type: ignore[arg-type]
    assert "gpu01: Connection during Install and hold the engine" in text
    assert text.count("What to do") == 1


def test_a_new_command_is_told_too(client: paramiko.SSHClient, wire: Wire) -> None:
    wire.cut.set()
    with pytest.raises((ConnectionLostError, paramiko.SSHException)):
        client.exec_command("true")


def test_a_quiet_command_is_not_cut(client: paramiko.SSHClient) -> None:
    _, stdout, _ = client.exec_command("apt-get install")
    time.sleep(1.5)  # two and a half times what a dead line may take
    assert not stdout.channel.exit_status_ready()
    _, stdout, _ = client.exec_command("short")
    stdout.channel.shutdown_write()
    assert (stdout.read(), stdout.channel.recv_exit_status()) == (b"done\n", 0)


def test_a_connection_that_ends_is_no_exit_status(client: paramiko.SSHClient, wire: Wire) -> None:
    _, stdout, _ = client.exec_command("apt-get install")
    wire._sock.shutdown(socket.SHUT_RDWR)
    with pytest.raises(ConnectionLostError, match="the connection ended"):
        stdout.channel.recv_exit_status()


def test_a_command_that_only_looks_names_the_host() -> None:
    host = FleetHost("gpu01", {"ssh_known_hosts_file": "/k"}, merge([]))
    with pytest.raises(HostError) as caught, told(host):
        raise ConnectionLostError("the connection is dead: no answer for 30 s")
    assert str(caught.value).startswith("gpu01: ")
    assert str(caught.value).count("What to do") == 1


class Clock:
    """Time that passes when a test says so."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> tuple[Callable[[float], None], list[float]]:
    """``pass_(seconds)``: a look after that time at a line that says nothing; when it asked."""
    clock, asked = Clock(), list[float]()
    monkeypatch.setattr(line.time, "monotonic", clock.monotonic)

    class Inline:
        def __init__(self, target: Callable[[], None], daemon: bool) -> None:
            self.start = target

    monkeypatch.setattr(line.threading, "Thread", Inline)

    class Nothing:
        def recv(self, size: int) -> Any:
            raise TimeoutError

    def ask() -> bool:
        asked.append(clock.now)
        return True

    looked = Line(Nothing(), ask)

    def pass_(seconds: float) -> None:
        clock.now += seconds
        with pytest.raises(TimeoutError):
            looked.recv(1)

    return pass_, asked


def test_a_silent_line_is_asked_before_it_is_dead(
    silent: tuple[Callable[[float], None], list[float]],
) -> None:
    pass_, asked = silent
    for _ in range(45):
        pass_(1)
    assert asked == [6, 12, 18, 24, 30, 36, 42]
    with pytest.raises(ConnectionLostError):
        pass_(1)


def test_a_program_that_was_stopped_itself_asks_first(
    silent: tuple[Callable[[float], None], list[float]],
) -> None:
    pass_, asked = silent
    pass_(6)  # a prompt, or a laptop's lid: nobody has looked
    pass_(3600)
    assert asked == []
    pass_(4)
    pass_(4)
    assert len(asked) == 1
