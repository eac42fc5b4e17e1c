"""``torchrack onboard`` up to the login: whom it trusts, how it gets in, and why it can not.

Each case ends in its own sentence, its exit status, and no traceback.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.harness import Done, Lab
from tests.lab.newcomers import Fleet, Server, ended, not_ready

TO_LOGIN = ("--until", "login", "--trust-on-first-use")


def login(fleet: Fleet, server: Server, *options: str) -> Done:
    return fleet.onboard(server, *TO_LOGIN, *options)


# Who is there?


def test_nothing_listens_there(fleet: Fleet, bare: Server) -> None:
    done = fleet.onboard(bare, *TO_LOGIN, *bare.first.options, "--port", "2")
    not_ready(done, f"Connection refused at {bare.address} port 2", "no firewall stands between")
    assert not fleet.pins.exists(), "nothing is pinned, and no empty file is left"


def test_a_key_that_nobody_verified(fleet: Fleet, bare: Server) -> None:
    """--yes alone trusts no host key."""
    done = fleet.onboard(bare, "--until", "login", *bare.first.options)
    not_ready(done, "a host key that nobody has verified", f"--host-key {bare.fingerprint}")
    assert not fleet.pins.exists()


def test_a_key_that_is_not_the_given_one(fleet: Fleet, bare: Server) -> None:
    other = "SHA256:" + "A" * 43
    done = fleet.onboard(bare, "--until", "login", "--host-key", other, *bare.first.options)
    not_ready(done, f"{bare.fingerprint} (ssh-ed25519)", f"{other}, as --host-key says")
    assert not fleet.pins.exists()


def test_the_given_key_is_pinned(fleet: Fleet, bare: Server) -> None:
    given = ("--host-key", bare.fingerprint)
    ended(fleet.onboard(bare, "--until", "host-key", *given, *bare.first.options), 0, "was given")
    assert fleet.pins.read_text().startswith(f"{bare.address} ssh-ed25519 ")
    again = fleet.onboard(bare, "--until", "host-key")
    ended(again, 0, "already", "is the pinned one")


def test_a_key_that_is_trusted_on_first_use(fleet: Fleet, bare: Server) -> None:
    done = login(fleet, bare, *bare.first.options)
    ended(done, 0, "trusted on first use", "nobody has verified it")


def test_a_key_that_changed_between_two_runs(fleet: Fleet, bare: Server) -> None:
    ended(login(fleet, bare, *bare.first.options), 0)
    before, pins = bare.fingerprint, fleet.pins.read_text()
    bare.lab.lab("rekey", bare.name)
    assert bare.fingerprint != before
    changed = login(fleet, bare, *bare.first.options)
    not_ready(changed, "another key than the pinned one", before, bare.fingerprint)
    assert fleet.pins.read_text() == pins, "--trust-on-first-use does not replace a pin"
    told = login(fleet, bare, "--host-key", bare.fingerprint, *bare.first.options)
    ended(told, 0, "was given")


def test_a_fingerprint_that_is_none(fleet: Fleet, bare: Server) -> None:
    done = fleet.onboard(bare, "--host-key", "SHA256:tooshort", *bare.first.options)
    ended(done, 1, "SHA256: and 43 characters", "Nothing was begun")


# Logins that work


@pytest.mark.parametrize("kind", ["key", "root"])
def test_a_login_by_key(fleet: Fleet, bare: Server, kind: str) -> None:
    account = bare.first if kind == "key" else bare.account(kind)
    done = login(fleet, bare, *account.by_key)
    ended(done, 0, f"as {account.user}, by the key")


def test_a_login_by_password_which_is_sudos_too(fleet: Fleet, bare: Server) -> None:
    account = bare.account("password")
    done = login(fleet, bare, *account.by_password)
    ended(done, 0, "as password, by password")
    assert account.password not in done.output


def test_a_password_from_the_environment(fleet: Fleet, bare: Server) -> None:
    account = bare.account("password")
    fleet.environment["FIRST_PASSWORD"] = account.password
    done = login(fleet, bare, "--user", account.user, "--password-env", "FIRST_PASSWORD")
    ended(done, 0, "as password, by password")


def test_a_key_and_a_password_for_sudo(fleet: Fleet, bare: Server) -> None:
    account = bare.account("key-asks")
    password = ("--password-file", str(account.password_file))
    ended(login(fleet, bare, *account.by_key, *password), 0, "as key-asks, by the key")


# Logins that don't


def test_a_wrong_password_is_tried_once(fleet: Fleet, bare: Server, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("not-the-password\n")
    file.chmod(0o600)
    before = failures(bare, "password")
    done = login(fleet, bare, "--user", bare.account("password").user, "--password-file", str(file))
    not_ready(done, "a refused login: password by password", "only one attempt was made")
    assert "not-the-password" not in done.output
    assert failures(bare, "password") == before + 1


def failures(server: Server, user: str) -> int:
    """Failed logins by password that the server's sshd noted."""
    log = server.root("journalctl -u ssh.service -o cat --no-pager")
    return len(re.findall(f"Failed password for {user} ", log))


def test_a_key_that_is_refused(fleet: Fleet, bare: Server, tmp_path: Path) -> None:
    key = tmp_path / "key"
    fleet.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    done = login(fleet, bare, "--user", bare.first.user, "--key", str(key))
    not_ready(done, f"a refused login: {bare.first.user} by the key", "only one attempt was made")


@pytest.mark.parametrize(
    ("kind", "found", "fix"),
    [
        ("expired", "has to be changed before anything else", "set a new one (ssh expired@"),
        ("closed", "an account that has expired", "chage -E -1 closed"),
        ("no-sudo", "an account no-sudo that sudo refuses", "usermod -aG sudo no-sudo"),
        ("key-asks", "a sudo that asks key-asks for a password", "--password-file FILE"),
        ("nologin", "currently not available", "usermod -s /bin/bash nologin"),
    ],
)
def test_a_login_of_no_use(fleet: Fleet, bare: Server, kind: str, found: str, fix: str) -> None:
    account = bare.account(kind)
    done = login(fleet, bare, *account.options)
    not_ready(done, found, fix)
    if account.password_file:
        assert account.password not in done.output


def test_a_restricted_shell_is_no_hindrance(fleet: Fleet, bare: Server) -> None:
    """Root is had by sudo, whose shell is another."""
    ended(login(fleet, bare, *bare.account("rbash").options), 0, "as rbash, by the key")


def test_a_server_without_sudo(fleet: Fleet, worn: Server) -> None:
    done = login(fleet, worn, *worn.first.options)
    not_ready(done, f"no sudo, and {worn.first.user} is not root", "apt-get install sudo")


# Options that can't be meant


def test_a_password_file_that_others_can_read(fleet: Fleet, bare: Server, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret-of-all\n")
    file.chmod(0o644)
    done = login(fleet, bare, "--user", "password", "--password-file", str(file))
    ended(done, 1, "Nothing was begun", str(file))
    assert "secret-of-all" not in done.output


def test_two_passwords(fleet: Fleet, bare: Server, tmp_path: Path) -> None:
    two = ("--password-file", str(tmp_path / "password"), "--password-env", "PASSWORD")
    ended(login(fleet, bare, "--user", "x", *two), 1, "Nothing was begun", "password")


def test_a_step_that_does_not_exist(fleet: Fleet, bare: Server) -> None:
    done = fleet.onboard(bare, "--until", "the-end", *bare.first.options)
    ended(done, 1, "--until the-end: no such step; the steps are probe, host-key")


def test_nothing_to_log_in_with(fleet: Fleet, bare: Server) -> None:
    done = fleet.onboard(bare, *TO_LOGIN, "--user", "debian")
    ended(done, 1, "Nothing was begun", "one key or one password")


def test_nobody_to_ask(fleet: Fleet, bare: Server) -> None:
    asked = [word for word in fleet.asked(bare) if word != "--yes"]
    done = fleet.run(*fleet.command(*asked, *bare.first.options), check=False)
    ended(done, 1, "nobody can be asked here: give --yes")


# Someone else is at work


def test_somebody_who_works_there(fleet: Fleet, bare: Server) -> None:
    account = bare.account("password")
    with terminal(bare.lab, bare):
        not_ready(login(fleet, bare, *account.by_password), bare.first.user, "pts/")
    ended(login(fleet, bare, *account.by_password), 0)


@contextmanager
def terminal(lab: Lab, server: Server) -> Iterator[None]:
    """Somebody's shell on a terminal of the server."""
    process = subprocess.Popen(
        [
            "ssh", "-tt", "-F", "none", "-i", str(server.first.key_file), "-o", "BatchMode=yes",
            "-o", f"UserKnownHostsFile={lab.folder / 'hosts' / 'known_hosts'}",
            f"{server.first.user}@{server.address}",
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.read(1), "the shell's prompt"
    try:
        yield
    finally:
        process.terminate()
        process.wait()
