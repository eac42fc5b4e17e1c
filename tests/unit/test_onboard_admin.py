"""The account that deploys: what is refused beforehand, and what comes of the script's answers."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.unit.test_onboard_credentials import write_key
from torchrack.connect import connection_data
from torchrack.errors import HostError
from torchrack.inventory import FleetHost
from torchrack.onboard.admin import admin_problems, admin_public_key, ensure_admin
from torchrack.onboard.model import Newcomer
from torchrack.operations.files import read, render
from torchrack.remote import Answer
from torchrack.settings.model import merge


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    key = write_key(tmp_path / "deploy", ed25519.Ed25519PrivateKey.generate())
    return Newcomer("gpu07", "10.0.0.7", "ubuntu", admin_key=str(key))


def test_a_good_admin(newcomer: Newcomer) -> None:
    assert admin_problems(newcomer) == []
    assert admin_public_key(newcomer).startswith("ssh-ed25519 ")


@pytest.mark.parametrize("name", ["root", "", "Ops", "a b", "-x", "x;y", "x" * 33])
def test_names_that_are_refused(newcomer: Newcomer, name: str) -> None:
    (problem,) = admin_problems(replace(newcomer, admin=name))
    assert problem.found == repr(name)
    assert problem.fix == "give another --admin"


def test_keys_that_are_refused(newcomer: Newcomer, tmp_path: Path) -> None:
    def said(key: str | None) -> str:
        (problem,) = admin_problems(replace(newcomer, admin_key=key))
        return str(problem)

    assert "give --admin-key FILE" in said(None)
    assert "correct the path" in said(str(tmp_path / "nowhere"))
    locked = write_key(tmp_path / "locked", ed25519.Ed25519PrivateKey.generate(), locked=True)
    assert "locked by a passphrase" in said(str(locked))
    other = write_key(tmp_path / "other", ed25519.Ed25519PrivateKey.generate())
    Path(f"{newcomer.admin_key}.pub").write_text(Path(f"{other}.pub").read_text())
    assert "not the public half" in said(newcomer.admin_key)


def ensure(newcomer: Newcomer, *out: str, dry: bool = False) -> tuple[list[str], str]:
    """What ensure_admin makes of an answer; the script it sent."""
    sent: list[str] = []

    def run(text: str, *, seconds: int) -> Answer:
        sent.append(text)
        return Answer(list(out), ["mktemp: No space left on device"])

    data = connection_data(
        address="10.0.0.7", port=22, user="ubuntu", known_hosts="/k", key=None, agent=False
    )
    session = SimpleNamespace(run=run, host=FleetHost("gpu07", data, merge([])))
    done = ensure_admin(session, newcomer, admin_public_key(newcomer), dry=dry)
    return done, sent[0]


def test_what_was_done_is_told(newcomer: Newcomer) -> None:
    done, script = ensure(newcomer, "did\tmade the account", "did\tgave it the key", "end")
    assert done == ["made the account", "gave it the key"]
    assert ensure(newcomer, "end")[0] == []
    assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0


def test_the_sudoers_file_is_the_one_that_the_stage_base_wants(newcomer: Newcomer) -> None:
    _, script = ensure(newcomer, "end", dry=True)
    wanted = render("base/sudoers.j2", users=["torchrack"])
    assert f"sudoers={shlex.quote(wanted)}" in script
    assert f"line={shlex.quote('torchrack ALL=(ALL:ALL) NOPASSWD: ALL')}" in script
    assert "\ndry=1\n" in script
    assert read("onboard/admin.sh") in script


def test_why_it_can_not_be_done(newcomer: Newcomer) -> None:
    with pytest.raises(HostError) as caught:
        ensure(
            newcomer, "did\tx", "failed\tan sshd that refuses torchrack (DenyUsers)\ttake it out"
        )
    problem = caught.value.problem
    assert problem.found == "an sshd that refuses torchrack (DenyUsers)"
    assert problem.fix == "take it out"
    with pytest.raises(HostError, match=r"cut off: did.* No space left"):
        ensure(newcomer, "did\tx")
