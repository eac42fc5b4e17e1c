"""The proof by a new login: what counts, what is tried again, and the way back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api.exceptions import ConnectError
from pyinfra.connectors.util import CommandOutput, OutputLine

from torchrack.sshd import proof as sshd_proof
from torchrack.sshd.proof import LoginError, ProveLogin, prove_login


class FakeClient:
    """A connected client whose ``sudo -n true`` ends with ``status``."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.closed = False

    def exec_command(self, command: str, timeout: float) -> Any:
        assert command == "sudo -n true"
        assert timeout > 0
        channel = SimpleNamespace(recv_exit_status=lambda: self.status)
        error = SimpleNamespace(read=lambda: b"sudo: a password is required\n")
        return None, SimpleNamespace(channel=channel), error

    def get_transport(self) -> Any:
        return SimpleNamespace(is_active=lambda: True)

    def close(self) -> None:
        self.closed = True


class FakeServer:
    """Answers logins with each of ``answers`` in turn: a client, or an exception."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: FakeClient | Exception) -> None:
        self.answers = list(answers)
        self.users: list[str] = []
        monkeypatch.setattr(sshd_proof, "_SecondConnection", self._connection)
        monkeypatch.setattr(sshd_proof.time, "sleep", lambda _: None)

    def _connection(self, state: Any, host: Any, user: str, channel: Any) -> Any:
        connection = SimpleNamespace(client=None)

        def connect() -> None:
            self.users.append(user)
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            connection.client = answer

        connection._connect = connect
        return connection


def test_login_with_sudo_is_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeClient(0)
    server = FakeServer(monkeypatch, client)
    prove_login(None, None, "deploy", 10)  # type: ignore[arg-type]
    assert server.users == ["deploy"]
    assert client.closed


def test_closed_port_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeServer(monkeypatch, ConnectionRefusedError("refused"), FakeClient(0))
    prove_login(None, None, "deploy", 10)  # type: ignore[arg-type]
    assert len(server.users) == 2


def test_refused_login_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeServer(monkeypatch, ConnectError("Authentication error"), FakeClient(0))
    with pytest.raises(LoginError, match="Authentication error"):
        prove_login(None, None, "deploy", 10)  # type: ignore[arg-type]
    assert len(server.users) == 1


def test_closed_port_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeServer(monkeypatch, ConnectionRefusedError("refused"))
    with pytest.raises(LoginError, match="no connection within -1 s: refused"):
        prove_login(None, None, "deploy", -1)  # type: ignore[arg-type]


def test_login_without_sudo_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeClient(1)
    FakeServer(monkeypatch, client)
    with pytest.raises(LoginError, match="a password is required"):
        prove_login(None, None, "deploy", 10)  # type: ignore[arg-type]
    assert client.closed


class FakeHost:
    """Records what is run on the host, and lets it succeed or fail."""

    name = "gpu01"

    def __init__(self, succeeds: bool) -> None:
        self.succeeds = succeeds
        self.ran: list[str] = []

    def run_shell_command(self, command: Any, **_: Any) -> tuple[bool, CommandOutput]:
        self.ran.append(str(command))
        return self.succeeds, CommandOutput([OutputLine("stderr", "Job failed")])


@pytest.mark.parametrize(
    ("rolled_back", "said"), [(True, "back in force"), (False, "FAILED (Job failed)")]
)
def test_failed_proof_rolls_back_and_says_so(
    monkeypatch: pytest.MonkeyPatch, rolled_back: bool, said: str
) -> None:
    FakeServer(monkeypatch, ConnectError("Authentication error"))
    host = FakeHost(rolled_back)
    done, output = ProveLogin("deploy", 10).execute(None, host, {})
    assert not done
    assert host.ran == ["systemctl start torchrack-sshd-rollback.service"]
    assert said in output.stderr
    assert output.stderr.startswith("gpu01: New login as deploy")
