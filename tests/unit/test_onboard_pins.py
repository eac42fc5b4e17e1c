"""The fleet's known_hosts: read as paramiko reads it, changed without touching the rest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import paramiko
import pytest
from pyinfra.connectors.sshuserclient.client import get_host_keys

from torchrack.errors import HostError
from torchrack.onboard import pins
from torchrack.onboard.pins import fingerprint, pin, pinned, unpin

ONE, TWO, RSA = (
    paramiko.ECDSAKey.generate(),
    paramiko.ECDSAKey.generate(),
    paramiko.RSAKey.generate(1024),
)


def line(names: str, key: paramiko.PKey) -> str:
    return f"{names} {key.get_name()} {key.get_base64()}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "known_hosts"


def test_the_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    public = tmp_path / "key.pub"
    public.write_text(f"{ONE.get_name()} {ONE.get_base64()} comment\n")
    shown = subprocess.run(
        ["ssh-keygen", "-lf", public], capture_output=True, text=True, check=True
    ).stdout
    assert fingerprint(ONE) in shown.split()
    assert pins.FINGERPRINT.fullmatch(fingerprint(ONE))


def test_a_missing_file_pins_nothing_and_is_made(file: Path) -> None:
    assert pinned(file, "10.0.0.7", 22) == []
    assert not unpin(file, "10.0.0.7", 22)
    assert not file.exists()
    pin(file, "10.0.0.7", 22, ONE)
    assert file.read_text() == line("10.0.0.7", ONE) + "\n"
    pin(file, "10.0.0.7", 2222, TWO)
    assert file.read_text().splitlines()[1] == line("[10.0.0.7]:2222", TWO)
    assert pinned(file, "10.0.0.7", 22) == [ONE]
    assert pinned(file, "10.0.0.7", 2222) == [TWO]


def test_the_rest_of_the_file_stays(file: Path) -> None:
    rest = ["# the lab", "", line("10.0.0.1,gpu01", ONE) + " a remark", line("10.0.0.7", RSA)]
    file.write_text("\n".join([*rest[:3], line("gpu07,10.0.0.7", ONE) + " ours", rest[3]]))
    file.chmod(0o600)
    pin(file, "10.0.0.7", 22, TWO)
    assert file.read_text().splitlines() == [
        *rest[:3],
        line("gpu07", ONE) + " ours",
        rest[3],
        line("10.0.0.7", TWO),
    ]
    assert file.stat().st_mode & 0o777 == 0o600
    assert pinned(file, "10.0.0.7", 22) == [RSA, TWO]
    assert unpin(file, "10.0.0.7", 22)
    assert file.read_text().splitlines() == [*rest[:3], line("gpu07", ONE) + " ours"]


def test_a_key_that_is_pinned_is_not_written_again(file: Path) -> None:
    pin(file, "10.0.0.7", 22, ONE)
    before = file.stat().st_ino
    pin(file, "10.0.0.7", 22, ONE)
    assert file.stat().st_ino == before


def test_hashed_names_count(file: Path) -> None:
    file.write_text(line(paramiko.HostKeys.hash_host("10.0.0.7"), ONE) + "\n")
    assert pinned(file, "10.0.0.7", 22) == [ONE]
    assert pinned(file, "10.0.0.8", 22) == []
    assert unpin(file, "10.0.0.7", 22)
    assert file.read_text() == ""


def test_a_line_that_would_blind_paramiko_is_named(file: Path) -> None:
    file.write_text(f"# one\n10.0.0.7 {ONE.get_name()} AAAA*\n")
    with pytest.raises(HostError, match=r"known_hosts:2: Pinned host keys"):
        pin(file, "10.0.0.8", 22, ONE)


def test_pyinfra_sees_a_new_pin_in_the_same_process(file: Path) -> None:
    file.write_text("")
    assert get_host_keys((str(file),)).lookup("10.0.0.7") is None
    pin(file, "10.0.0.7", 22, ONE)
    assert get_host_keys((str(file),)).check("10.0.0.7", ONE)
    unpin(file, "10.0.0.7", 22)
    assert get_host_keys((str(file),)).lookup("10.0.0.7") is None


def test_many_pin_at_once_with_the_patches_of_a_deploy(file: Path) -> None:
    script = """
from gevent import monkey; monkey.patch_all()
import sys
import gevent, paramiko
from pathlib import Path
from torchrack.onboard.pins import pin
def one(number):
    gevent.sleep(0)
    pin(Path(sys.argv[1]), f"10.0.0.{number}", 22, paramiko.ECDSAKey.generate())
for greenlet in gevent.joinall([gevent.spawn(one, number) for number in range(20)]):
    greenlet.get()
"""
    subprocess.run([sys.executable, "-c", script, file], check=True, timeout=60)
    assert len(file.read_text().splitlines()) == 20
