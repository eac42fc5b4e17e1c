"""The command's options come to one credential, or to a message that says what to give."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from torchrack.errors import HostError
from torchrack.onboard.credentials import Agent, Given, KeyFile, Password, given, load, public_key
from torchrack.settings.secret import env, file

PASSPHRASE = serialization.BestAvailableEncryption(b"locked")


def write_key(
    path: Path, key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, *, locked: bool = False
) -> Path:
    how = PASSPHRASE if locked else serialization.NoEncryption()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, how
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    path.write_bytes(private)
    path.with_name(path.name + ".pub").write_bytes(public + b" me@laptop\n")
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return write_key(tmp_path / "id", ed25519.Ed25519PrivateKey.generate())


def refused(**options: object) -> str:
    with pytest.raises(HostError) as caught:
        given("gpu07", **options)
    assert caught.value.problem.where == "gpu07"
    return str(caught.value)


def test_each_kind(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "hunter2")
    password = Password("hunter2")
    assert given("gpu07", key=str(key)) == Given(KeyFile(key))
    assert given("gpu07", agent=True) == Given(Agent())
    assert given("gpu07", agent=True, key=str(key)) == Given(Agent(key))
    assert given("gpu07", password=env("PW")) == Given(password, password)
    assert given("gpu07", prompt=lambda: "hunter2") == Given(password, password)
    assert given("gpu07", key=str(key), password=env("PW")) == Given(KeyFile(key), password)


def test_nothing_shows_a_password() -> None:
    shown = given("gpu07", prompt=lambda: "hunter2")
    assert "hunter2" not in f"{shown!r} {shown}"


def test_no_credential_and_two_passwords() -> None:
    assert "--password-file" in refused()
    assert "two sources of a password" in refused(password=env("PW"), prompt=lambda: "x")


@pytest.mark.parametrize("typed", ["", "two\nlines", "zero\0"])
def test_a_password_that_is_none(typed: str) -> None:
    said = refused(prompt=lambda: typed)
    assert "password" in said
    assert not typed or typed not in said


def test_a_password_file_that_others_can_read(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("hunter2\n")
    path.chmod(0o644)
    said = refused(password=file(str(path)))
    assert "is open to others" in said
    assert f"chmod 600 {path}" in said
    assert "hunter2" not in said


def test_a_variable_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PW", raising=False)
    assert "PW is not set" in refused(password=env("PW"))


def test_keys_that_can_not_be_used(tmp_path: Path) -> None:
    assert "no file /nowhere/id" in refused(key="/nowhere/id")
    garbage = tmp_path / "garbage"
    garbage.write_text("no key\n")
    assert "private key" in refused(key=str(garbage))
    locked = write_key(tmp_path / "locked", ed25519.Ed25519PrivateKey.generate(), locked=True)
    said = refused(key=str(locked))
    assert "locked by a passphrase" in said
    assert f"ssh-add {locked}" in said
    assert f"--agent --key {locked}" in said
    assert given("gpu07", key=str(locked), agent=True) == Given(Agent(locked))


def test_the_public_half(key: Path, tmp_path: Path) -> None:
    line = public_key("gpu07", key)
    assert line.startswith("ssh-ed25519 AAAA")
    assert line.endswith(" me@laptop")
    assert public_key("gpu07", key.with_name("id.pub")) == line
    assert load("gpu07", key).get_base64() == line.split()[1]
    key.with_name("id.pub").unlink()
    with pytest.raises(HostError, match="ssh-keygen -y -f"):
        public_key("gpu07", key)
    ecdsa = write_key(tmp_path / "ec", ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(HostError, match="the hardened sshd refuses others"):
        public_key("gpu07", ecdsa)
