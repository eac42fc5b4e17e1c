"""The trial on a second sshd: what counts as proof, and that nothing is left behind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from paramiko import ChannelException
from paramiko.common import OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, OPEN_FAILED_CONNECT_FAILED
from pyinfra.connectors.util import CommandOutput, OutputLine

from torchrack.sshd import canary as sshd_canary
from torchrack.sshd.canary import ProveCanary
from torchrack.sshd.proof import LoginError


class FakeHost:
    """A host whose second sshd starts on port 50000, unless ``error`` keeps it from starting."""

    name = "gpu01"

    def __init__(self, *, error: str = "", channel: Exception | None = None) -> None:
        self.error = error
        self.channel = channel
        self.ran: list[str] = []
        self.logged: list[str] = []
        client = SimpleNamespace(get_transport=lambda: self)
        self.connector = SimpleNamespace(client=client)

    def open_channel(self, kind: str, target: Any, origin: Any, timeout: float) -> Any:
        assert (kind, target) == ("direct-tcpip", ("127.0.0.1", 50000))
        if self.channel:
            raise self.channel
        return "channel"

    def run_shell_command(self, command: Any, **_: Any) -> tuple[bool, CommandOutput]:
        self.ran.append(str(command))
        line = OutputLine("stderr", self.error) if self.error else OutputLine("stdout", "50000")
        return not self.error, CommandOutput([line])

    def log(self, message: str) -> None:
        self.logged.append(message)


def _prove(
    monkeypatch: pytest.MonkeyPatch, host: FakeHost, error: LoginError | None = None
) -> tuple[bool, str, list[str]]:
    users: list[str] = []

    def login(state: Any, host: Any, user: str, patience: float, channel: Any) -> None:
        assert channel == "channel"
        users.append(user)
        if error:
            raise error

    monkeypatch.setattr(sshd_canary, "prove_login", login)
    done, output = ProveCanary("PermitRootLogin no\n", ["ops", "debian"]).execute(None, host, {})
    return done, output.stderr, users


def test_each_account_logs_in_and_the_canary_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost()
    assert _prove(monkeypatch, host) == (True, "", ["ops", "debian"])
    assert "ListenAddress=127.0.0.1" in host.ran[0]
    assert host.ran[-1].startswith("systemctl stop torchrack-sshd-canary.service; rm -rf")


def test_refused_login_fails_and_the_canary_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost()
    done, said, users = _prove(monkeypatch, host, LoginError("Authentication failed."))
    assert (done, users) == (False, ["ops"])
    assert "gpu01: Trial login" in said
    assert "nothing was changed" in said
    assert host.ran[-1].startswith("systemctl stop torchrack-sshd-canary.service")


def test_second_sshd_that_does_not_start_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    done, said, users = _prove(monkeypatch, FakeHost(error="no second sshd could be started"))
    assert (done, users) == (False, [])
    assert "no second sshd could be started" in said


def test_without_forwarding_there_is_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    prohibited = ChannelException(OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, "prohibited")
    host = FakeHost(channel=prohibited)
    assert _prove(monkeypatch, host) == (True, "", [])
    assert host.logged == [
        "the present sshd forwards no connections: no trial on a second sshd",
    ]


def test_other_channel_failures_are_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost(channel=ChannelException(OPEN_FAILED_CONNECT_FAILED, "refused"))
    done, said, _ = _prove(monkeypatch, host)
    assert not done
    assert "no way to the second sshd" in said
