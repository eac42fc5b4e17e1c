"""Cloud-init user data: read for the way in, put where cloud-init looks."""

import stat
from pathlib import Path

import pytest

from lab import identity, machine, user_data
from lab.errors import LabError
from lab.machine import Order
from lab.state import Lab

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIl4qR8jEVWvd6aBjB9d09BFvPqVjboDlwRe86/FNTm5"
TEXT = f"""#cloud-config
users:
  - default
  - name: torchrack
    ssh_authorized_keys: [{PUBLIC} someone]
ssh_keys:
  ed25519_private: |
    the private half
  ed25519_public: {PUBLIC} root@box
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "user-data.yml"
    path.write_text(TEXT)
    return path


def test_the_way_in_is_read(file: Path) -> None:
    data = user_data.read(file)
    assert data.user == "torchrack"
    assert data.authorized_keys == (f"{PUBLIC} someone",)
    assert (data.host_key, data.host_public_key) == ("the private half\n", PUBLIC)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "starts with #cloud-config"),
        (TEXT.replace("#cloud-config\n", ""), "starts with #cloud-config"),
        ("#cloud-config\n[", "no user data can be read"),
        (TEXT.replace("  - name: torchrack\n    ssh", "other:\n    ssh"), "an account with a name"),
        (TEXT.replace("ed25519_private", "rsa_private"), "ed25519_private"),
    ],
)
def test_what_the_lab_could_not_know_is_refused(file: Path, text: str, found: str) -> None:
    file.write_text(text)
    with pytest.raises(LabError, match=found) as error:
        user_data.read(file)
    assert str(file) in str(error.value)


def test_the_seed_lies_where_cloud_init_looks(file: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    user_data.seed(root, "box", file, held=False)
    seed = root / "var/lib/cloud/seed/nocloud"
    assert (seed / "user-data").read_text() == TEXT
    assert stat.S_IMODE((seed / "user-data").stat().st_mode) == 0o600
    assert "local-hostname: box" in (seed / "meta-data").read_text()
    assert not (root / user_data.HELD).exists()
    user_data.seed(root, "box", file, held=True)
    assert (root / user_data.HELD).exists()
    assert f"/{user_data.HELD}" in "".join(
        path.read_text() for path in (root / "etc/systemd/system/cloud-final.service.d").iterdir()
    )


def test_a_server_is_known_by_its_user_data(lab: Lab, file: Path) -> None:
    order = Order("debian13", (), newcomer=True, user_data=file, held=True)
    host = machine.describe(lab, "box", order, "10.86.7.12")
    assert (host.user, host.login, host.held) == ("torchrack", "cloud-init", True)
    assert host.host_key == PUBLIC
    assert host.key_file is None, "the lab has no key that opens it"
    assert host.user_data is not None
    assert stat.S_IMODE(host.user_data.stat().st_mode) == 0o600
    file.write_text(TEXT.replace(f"{PUBLIC} someone", identity.ensure_login_key(lab)))
    assert machine.describe(lab, "box", order, "10.86.7.12").key_file == lab.ssh_key
