"""Facts of hosts over SSH without pyinfra's run: what is asked, and what becomes of failures."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from paramiko import AuthenticationException, BadHostKeyException, RSAKey, SSHException
from pyinfra.api.exceptions import PyinfraError

from torchrack import remote as connections
from torchrack.connect import connection_data
from torchrack.errors import Problem
from torchrack.inventory import FleetHost
from torchrack.preflight import remote
from torchrack.preflight.facts import HostFacts
from torchrack.root import NO_ROOT
from torchrack.settings.model import merge

FIXTURES = Path(__file__).parent / "fixtures" / "preflight"
RECORDED = (FIXTURES / "debian13-finished.out").read_bytes()
KEY = RSAKey.generate(1024)


class Client:
    """In place of pyinfra's SSH client: connects or fails as told, and answers the script."""

    failures: list[Exception]
    answer: tuple[int, bytes, bytes]
    seen: list

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def connect(self, hostname, **arguments):
        self.seen.append((hostname, arguments))
        if self.failures:
            raise self.failures.pop(0)

    def exec_command(self, command, timeout):
        rc, out, err = self.answer
        self.seen.append(command)
        channel = SimpleNamespace(
            shutdown_write=lambda: None,
            recv_exit_status=lambda: rc,
            recv=io.BytesIO(out).read,
            recv_stderr=io.BytesIO(err).read,
            close=lambda: None,
        )
        return SimpleNamespace(write=self.seen.append), SimpleNamespace(channel=channel), None


@pytest.fixture
def gather(monkeypatch, tmp_path):
    """``gather(*failures, answer=...)``: what comes of a host, and what was asked of it."""
    known = tmp_path / "known_hosts"
    known.touch()
    data = connection_data(
        address="192.0.2.1", port=22, user="admin", known_hosts=str(known), key=None, agent=True
    )
    data["ssh_connect_retry_max_delay"] = 0
    monkeypatch.setattr(connections, "SSHClient", Client)

    def run(*failures, answer=(0, RECORDED, b"")):
        Client.failures, Client.answer, Client.seen = list(failures), answer, []
        told = []
        host = FleetHost("gpu01", data, merge([]))
        found = remote.gather([host], lambda: told.append("answered"))
        assert told == ["answered"]
        return found["gpu01"], Client.seen

    return run


def test_one_connection_with_pinned_keys_and_one_command(gather):
    found, seen = gather()
    assert isinstance(found, HostFacts)
    (hostname, arguments), command, script = seen
    assert hostname == "192.0.2.1"
    assert arguments["_pyinfra_ssh_strict_host_key_checking"] == "yes"
    assert arguments["_pyinfra_ssh_known_hosts_file"].endswith("/known_hosts")
    assert arguments["_pyinfra_ssh_paramiko_connect_kwargs"]["transport_factory"]
    assert not arguments["look_for_keys"]
    assert arguments["allow_agent"]
    assert "sudo -n" in command
    assert "check_reach=0" in script
    assert "section survey" in script


def test_a_connection_that_was_dropped_is_tried_again(gather):
    found, seen = gather(SSHException("Error reading SSH protocol banner"), EOFError())
    assert isinstance(found, HostFacts)
    assert len(seen) == 5


@pytest.mark.parametrize(
    ("failure", "said", "fix"),
    [
        (AuthenticationException("Authentication failed."), "refused login", "user and key"),
        (BadHostKeyException("gpu01", KEY, KEY), "another host key", "known_hosts"),
        (SSHException("StrictPolicy: No host key for x found in known_hosts"), "No host", "pinned"),
        (TimeoutError("timed out"), "no answer in time", "reachable"),
        (OSError("No route to host"), "No route to host", "reachable"),
        (PyinfraError("the key {x} is locked"), "the key {x} is locked", "agent"),
        (KeyError("x"), "KeyError: 'x'", "fault of Torchrack"),
    ],
)
def test_a_failure_is_told_once_with_what_to_do(gather, failure, said, fix):
    found, seen = gather(failure)
    assert isinstance(found, Problem)
    assert found.where == "gpu01"
    assert said in found.found
    assert fix.replace("pinned", "verified key") in found.fix
    assert len(seen) == 1


def test_a_connection_that_is_always_dropped_ends(gather):
    found, seen = gather(*[EOFError() for _ in range(9)])
    assert found.found == "a connection that ended"
    assert len(seen) == 4


def test_a_server_that_takes_the_connection_and_says_nothing(gather):
    found, _ = gather(*[SSHException("No existing session") for _ in range(4)])
    assert found.found == "an open port and no SSH handshake within 10 s"
    assert "sshd is well" in found.fix


@pytest.mark.parametrize(
    ("answer", "what", "said"),
    [
        ((0, f"{NO_ROOT}\nsudo: a password is required".encode(), b""), "sudo", "a password is"),
        ((1, b"", b"no folder could be made in /run"), "Facts", "ended with 1: no folder"),
        ((0, RECORDED[:200], b""), "Facts", "makes no sense"),
        ((0, b"x" * (9 * 2**20), b""), "Facts", "more than 8 MiB"),
    ],
)
def test_an_answer_that_is_none(gather, answer, what, said):
    found, _ = gather(answer=answer)
    assert isinstance(found, Problem)
    assert what in found.what
    assert said in found.found
