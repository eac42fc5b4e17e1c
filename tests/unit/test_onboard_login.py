"""The first login against a server in this process: one try, and a message for each way it fails.

What sudo and shells print is recorded on Debian 13 (OpenSSH 10.0p2, sudo 1.9.16p2); the two
messages of sudo-rs are as users of Ubuntu 25.10 report them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import paramiko
import pytest

from tests.unit.ssh_server import Rules, serving
from torchrack.errors import HostError
from torchrack.onboard import one_try
from torchrack.onboard.credentials import Agent, Credential, Given, KeyFile, Password
from torchrack.onboard.login import first_login
from torchrack.onboard.model import Newcomer
from torchrack.onboard.pins import pin
from torchrack.remote import Session
from torchrack.root import Already, Passwordless, WithPassword

HOST_KEY, USER_KEY, OTHER = (paramiko.ECDSAKey.generate() for _ in range(3))
SECRET = Password("right")
LOOK, TRY, RUN = "==torchrack-login", "sudo -k -S -p '\"'\"''\"'\"' true", "timeout -k"
ROOT = {LOOK: (0, b"==torchrack-login\n0\n", b"")}
FREE = {LOOK: (0, b"==torchrack-login\n1000\nfree\n", b"")}


def asks(said: bytes = b"sudo: a password is required") -> dict[str, tuple[int, bytes, bytes]]:
    return {LOOK: (0, b"==torchrack-login\n1000\n" + said + b"\nasks\n", b"")}


def tried(out: bytes) -> dict[str, tuple[int, bytes, bytes]]:
    return {**asks(), TRY: (0, out, b"")}


Login = Callable[..., Session]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "id"
    USER_KEY.write_private_key_file(str(path))
    return path


@pytest.fixture
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Login:
    """``login(rules, credential, sudo)``: the session that came of it, closed again."""
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(
        rules: Rules, credential: Credential = SECRET, sudo: Password | None = SECRET
    ) -> Session:
        with serving(rules, HOST_KEY) as port:
            pins = tmp_path / f"known_hosts-{port}"
            pin(pins, "127.0.0.1", port, HOST_KEY)
            newcomer = Newcomer("gpu07", "127.0.0.1", "debian", port)
            with first_login(newcomer, Given(credential, sudo), pins) as session:
                return session

    return run


def refused(login: Login, *arguments: object) -> str:
    with pytest.raises(HostError) as caught:
        login(*arguments)
    problem = caught.value.problem
    assert (problem.where, problem.what) == ("gpu07", "First login")
    assert "right" not in problem.found.split()
    return f"{problem.found} => {problem.fix}"


def attempts(rules: Rules) -> list[str]:
    """Kinds of attempts; the question for the methods is none."""
    return [kind for kind, _ in rules.seen if kind != "none"]


@pytest.mark.parametrize(
    ("replies", "root"),
    [
        (ROOT, Already()),
        (FREE, Passwordless()),
        (tried(b"rc 0\n"), WithPassword("right")),
        ({**asks(b"sudo: interactive authentication is required"), **tried(b"rc 0\n")}, None),
    ],
)
def test_the_way_to_root(login: Login, replies: dict, root: object) -> None:
    session = login(Rules(replies=replies))
    assert session.root == (root or WithPassword("right"))
    assert session.host.name == "gpu07"


def test_a_script_goes_over_standard_input(tmp_path: Path, login: Login) -> None:
    rules = Rules(replies={**ROOT, RUN: (0, b"done\n", b"")})
    with serving(rules, HOST_KEY) as port:
        pins = tmp_path / "pins"
        pin(pins, "127.0.0.1", port, HOST_KEY)
        newcomer = Newcomer("gpu07", "127.0.0.1", "root", port)
        with first_login(newcomer, Given(SECRET), pins) as session:
            assert session.run("echo done").out == ["done"]
            assert session.trips == 2
    assert not any("echo done" in command for command in rules.commands)
    assert not any("right" in command for command in rules.commands)


def test_a_password_is_tried_once(login: Login) -> None:
    rules = Rules(replies=ROOT)
    login(rules)
    assert attempts(rules) == ["password"]
    rules = Rules(replies=ROOT)
    said = refused(login, rules, Password("wrong"))
    assert "a refused login: debian by password" in said
    assert "only one attempt" in said
    assert attempts(rules) == ["password"]


def test_a_key_is_tried_once_and_nothing_else(login: Login, key_file: Path, tmp_path: Path) -> None:
    # What ssh_config names would be a second credential.
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ecdsa").write_text(key_file.read_text())
    rules = Rules(key=OTHER)
    assert f"debian by the key {key_file}" in refused(login, rules, KeyFile(key_file))
    assert attempts(rules) == ["publickey"]
    login(Rules(key=USER_KEY, replies=FREE), KeyFile(key_file))


@pytest.mark.parametrize(
    ("methods", "by_key", "said"),
    [
        ("publickey", False, "lets debian in by publickey only; nothing was tried => give --key"),
        ("password,keyboard-interactive", True, "by password, keyboard-interactive only"),
    ],
)
def test_a_method_that_is_not_allowed_is_not_tried(
    login: Login, key_file: Path, methods: str, by_key: bool, said: str
) -> None:
    rules = Rules(methods=methods)
    assert said in refused(login, rules, KeyFile(key_file) if by_key else SECRET)
    assert attempts(rules) == []


def test_a_second_factor(login: Login, key_file: Path) -> None:
    rules = Rules(key=USER_KEY, more=True)
    said = refused(login, rules, KeyFile(key_file))
    assert "also wants publickey and password" in said
    rules = Rules(methods="keyboard-interactive", prompts=("Verification code: ",))
    assert "asks for more than a password: 'Verification code:'" in refused(login, rules)


def test_a_server_that_asks_for_the_password_in_a_conversation(login: Login) -> None:
    rules = Rules(methods="keyboard-interactive", replies=ROOT)
    login(rules)
    assert rules.seen[-1] == ("interactive", "right")


@pytest.mark.parametrize(
    ("rules", "sudo"),
    [
        (
            Rules(
                replies={
                    LOOK: (
                        1,
                        b"",
                        b"WARNING: Your password has expired.\n"
                        b"Password change required but no TTY available.\n",
                    )
                }
            ),
            SECRET,
        ),
        (Rules(methods="keyboard-interactive", prompts=("New password: ",)), SECRET),
        (Rules(methods="keyboard-interactive", prompts=("Current password: ",)), SECRET),
    ],
)
def test_a_password_that_has_to_be_changed(login: Login, rules: Rules, sudo: Password) -> None:
    said = refused(login, rules, SECRET, sudo)
    assert "has to be changed before anything else" in said
    assert "set a new one (ssh -p " in said


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ((1, b"This account is currently not available.\n", b""), "is currently not available"),
        ((1, b"", b""), "runs no commands => "),
        ((0, b"nope\n", b""), "it says 'nope'"),
        ((127, b"", b"rbash: line 1: sh: command not found\n"), "rbash: line 1"),
    ],
)
def test_a_shell_that_runs_no_commands(login: Login, reply: tuple, said: str) -> None:
    told = refused(login, Rules(replies={LOOK: reply}))
    assert said in told
    assert "usermod -s /bin/bash debian" in told


@pytest.mark.parametrize(
    ("replies", "sudo", "said"),
    [
        ({LOOK: (0, b"==torchrack-login\n1000\nnone\n", b"")}, SECRET, "no sudo, and debian"),
        (asks(), None, "a sudo that asks debian for a password => give --ask-password"),
        (asks(b"sudo: sorry, you must have a tty to run sudo"), SECRET, "!requiretty"),
        (tried(b"Sorry, try again.\nsudo: no password was provided\n"
               b"sudo: 1 incorrect password attempt\nrc 1\n"), SECRET, "it was tried once"),
        (tried(b"sudo: Authentication failed, try again.\nrc 1\n"), SECRET, "it was tried once"),
        (tried(b"debian is not in the sudoers file.\nrc 1\n"), SECRET, "usermod -aG sudo debian"),
        (tried(b"Sorry, user debian is not allowed to execute '/usr/bin/true' as root on box.\n"
               b"rc 1\n"), SECRET, "that sudo refuses: \"Sorry, user"),
        (tried(b"sudo: unable to resolve host gpu07: Name or service not known\n"
               b"sudo: PAM account management error: Permission denied\nrc 1\n"), SECRET,
         "a sudo that failed: sudo: PAM account management error"),
    ],
)  # fmt: skip
def test_a_login_that_can_not_become_root(
    login: Login, replies: dict, sudo: Password | None, said: str
) -> None:
    told = refused(login, Rules(replies=replies), SECRET, sudo)
    assert said in told
    assert "unable to resolve host" not in told


def test_the_lecture_of_sudo_is_no_reason(login: Login) -> None:
    lecture = (
        b"\nWe trust you have received the usual lecture from the local System\n"
        b"Administrator. It usually boils down to these three things:\n\n"
        b"    #1) Respect the privacy of others.\n    #2) Think before you type.\n"
        b"    #3) With great power comes great responsibility.\n\n"
        b"For security reasons, the password you type will not be visible.\n\n"
    )
    login(Rules(replies=tried(lecture + b"rc 0\n")))
    told = refused(
        login, Rules(replies=tried(lecture + b"debian is not in the sudoers file.\nrc 1\n"))
    )
    assert "Respect the privacy" not in told


class FakeAgent:
    """In place of paramiko's SSH agent."""

    keys: tuple[paramiko.PKey, ...] = ()

    def get_keys(self) -> tuple[paramiko.PKey, ...]:
        for number, key in enumerate(self.keys):
            key.comment = f"key {number}"  # type: ignore[attr-defined]  # as AgentKey has it
        return self.keys


def test_a_key_of_the_agent(login: Login, key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_try, "SSHAgent", FakeAgent)

    def unusable(chosen: Agent) -> str:
        with pytest.raises(HostError) as caught:
            login(Rules(key=USER_KEY), chosen)
        return str(caught.value)

    FakeAgent.keys = ()
    assert "ssh-add FILE" in unusable(Agent())
    FakeAgent.keys = (USER_KEY,)
    login(Rules(key=USER_KEY, replies=FREE), Agent())
    FakeAgent.keys = (OTHER, USER_KEY)
    assert "2 keys" in unusable(Agent())
    key_file.with_name("id.pub").write_text(f"{OTHER.get_name()} {OTHER.get_base64()}\n")
    assert "the hardened sshd refuses others" in unusable(Agent(key_file))


def test_an_unpinned_and_a_changed_host_key(tmp_path: Path) -> None:
    rules = Rules(replies=ROOT)
    with serving(rules, HOST_KEY) as port:
        newcomer = Newcomer("gpu07", "127.0.0.1", "debian", port)
        pins = tmp_path / "pins"
        pins.touch()
        with (
            pytest.raises(HostError, match="No host key for"),
            first_login(newcomer, Given(SECRET), pins),
        ):
            pass
        pin(pins, "127.0.0.1", port, OTHER)
        with (
            pytest.raises(HostError, match="another host key than the pinned one"),
            first_login(newcomer, Given(SECRET), pins),
        ):
            pass
    assert rules.seen == [], "nothing was sent to it"
