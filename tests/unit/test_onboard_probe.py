"""What answers at an address is told apart, by one connection without a login."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko
import pytest

from tests.unit.ssh_server import Rules, serving
from torchrack.errors import HostError
from torchrack.onboard.probe import probe, system_of

KEY = paramiko.ECDSAKey.generate()


@contextmanager
def saying(words: bytes, *, close: bool = True) -> Iterator[int]:
    """A server that says something and hangs up, or stays."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.sendall(words)
                if not close:
                    done.wait(5)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        done.set()
        thread.join(5)


def test_banner_and_key_without_an_attempt_to_log_in() -> None:
    rules = Rules()
    with serving(rules, KEY) as port:
        found = probe("127.0.0.1", port, where="gpu07")
    assert found.key == KEY
    assert found.banner.startswith("SSH-2.0-paramiko")
    assert found.system == ""
    assert rules.seen == []


@pytest.mark.parametrize(
    ("words", "close", "said", "fix"),
    [
        (b"", True, "closed without a word", "MaxStartups"),
        (b"Not allowed at this time\r\n", True, "'Not allowed at this time'", "punishes"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", True, "'HTTP/1.1 400 Bad Request'", "the port"),
        (b"", False, "does not greet", "the port"),
        (b"SSH-2.0-OpenSSH_9.6p1\r\n", True, "broke off", "firewall"),
    ],
)
def test_what_is_no_usable_ssh_server(words: bytes, close: bool, said: str, fix: str) -> None:
    with saying(words, close=close) as port, pytest.raises(HostError) as caught:
        probe("127.0.0.1", port, seconds=0.5, where="gpu07")
    problem = caught.value.problem
    assert problem.where == "gpu07"
    assert said in problem.found
    assert f"127.0.0.1 port {port}" in problem.found
    assert fix in problem.fix


def test_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(HostError, match=r"Connection refused at 127\.0\.0\.1"):
        probe("127.0.0.1", port)


def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(HostError, match=r"no such host .* at gpu07\.invalid port 22"):
        probe("gpu07.invalid", 22)


@pytest.mark.parametrize(
    ("banner", "system"),
    [
        ("SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13.5", "Ubuntu 24.04"),
        ("SSH-2.0-OpenSSH_8.9p1 Ubuntu-3ubuntu0.10", "Ubuntu 22.04"),
        ("SSH-2.0-OpenSSH_9.7p1 Ubuntu-7ubuntu4", "Ubuntu"),
        ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", "Debian 12"),
        ("SSH-2.0-OpenSSH_10.0p2 Debian-7+deb13u4", "Debian 13"),
        ("SSH-2.0-OpenSSH_for_Windows_9.5", "Windows"),
        ("SSH-2.0-dropbear_2022.83", "an embedded system (Dropbear)"),
        ("SSH-2.0-OpenSSH_9.6p1", ""),
    ],
)
def test_a_guess_of_the_system(banner: str, system: str) -> None:
    assert system_of(banner) == system
