"""A server is prepared: its file and its pin are there, or neither is."""

from pathlib import Path

import pytest
import yaml
from paramiko import Ed25519Key

from torchrack.errors import HostError
from torchrack.onboard import pins
from torchrack.onboard.model import Newcomer
from torchrack.onboard.prepare import Kind, prepare

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJMJOfG622QxvxP6VGTQiuH2k4Q3Edsw4cz8cdD1JLSv ann"
NEWCOMER = Newcomer("gpu07", "192.0.2.7", "ubuntu", port=2222)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize("kind", ["cloud-init", "autoinstall"])
def test_the_key_in_the_file_is_the_pinned_one(kind: Kind, tmp_path: Path) -> None:
    output, known = tmp_path / "gpu07.user-data.yml", tmp_path / "lab.known_hosts"
    known.write_text("# the lab\n")
    said = prepare(NEWCOMER, PUBLIC, kind=kind, output=output, known_hosts=known)
    assert output.stat().st_mode & 0o777 == 0o600
    config = yaml.safe_load(output.read_text())
    if kind == "autoinstall":
        config = config["autoinstall"]["user-data"]
    private = tmp_path / "private"
    private.write_text(config["ssh_keys"]["ed25519_private"])
    key = Ed25519Key.from_private_key_file(str(private))
    assert pins.pinned(known, "192.0.2.7", 2222) == [key]
    assert pins.fingerprint(key) == said
    assert known.read_text().startswith("# the lab\n[192.0.2.7]:2222 ssh-ed25519 ")
    assert "PRIVATE" not in known.read_text()


def test_a_server_that_is_pinned_keeps_its_key(tmp_path: Path) -> None:
    output, known = tmp_path / "a.yml", tmp_path / "lab.known_hosts"
    prepare(NEWCOMER, PUBLIC, kind="cloud-init", output=output, known_hosts=known)
    before = known.read_text()
    with pytest.raises(HostError, match=r"gpu07: Host key: found SHA256:.* pinned for 192.0.2.7"):
        prepare(NEWCOMER, PUBLIC, kind="cloud-init", output=tmp_path / "b.yml", known_hosts=known)
    assert known.read_text() == before
    assert not (tmp_path / "b.yml").exists()


def test_a_file_in_the_way_leaves_the_pins(tmp_path: Path) -> None:
    output, known = tmp_path / "a.yml", tmp_path / "lab.known_hosts"
    output.write_text("mine")
    with pytest.raises(HostError, match="is there already"):
        prepare(NEWCOMER, PUBLIC, kind="cloud-init", output=output, known_hosts=known)
    assert (output.read_text(), known.exists()) == ("mine", False)


def test_pins_that_can_t_be_written_leave_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pins, "pin", full)
    output = tmp_path / "a.yml"
    with pytest.raises(HostError, match="No space left on device"):
        prepare(NEWCOMER, PUBLIC, kind="cloud-init", output=output, known_hosts=tmp_path / "known")
    assert not output.exists()
