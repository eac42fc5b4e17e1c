"""Servers that are kept and started again, in a pool of plain folders."""

from pathlib import Path

import pytest

from lab import identity, pool, snapshots
from lab.errors import LabError
from lab.state import Host, Lab


@pytest.fixture
def there(lab: Lab, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab with one server, which has a disk."""
    folder = tmp_path / "pool"
    monkeypatch.setattr(pool, "ensure", lambda: folder)
    disk = folder / "labs" / lab.id / "gpu01"
    (disk / "etc/ssh").mkdir(parents=True)
    (disk / "etc/note").write_text("as it was")
    machine = lab.machine_dir("gpu01")
    identity.ensure_host_keys(machine / "identity", "gpu01")
    (machine / "pci").mkdir()
    (machine / "rootfs").symlink_to(disk)
    password = identity.keep_password(lab, "gpu01", "secret")
    lab.hosts["gpu01"] = host.model_copy(
        update={
            "host_key": identity.host_key(machine / "identity"),
            "password_file": password,
        }
    )
    return lab


def note(lab: Lab, name: str) -> Path:
    return lab.machine_dir(name) / "rootfs/etc/note"


def test_a_server_comes_back_as_it_was_kept(there: Lab) -> None:
    snapshots.take(there, "gpu01", "good")
    before = there.hosts["gpu01"].host_key
    note(there, "gpu01").write_text("changed")
    there.hosts["gpu01"].address = "10.86.7.99"
    snapshots.restore(there, "gpu01", snapshots.find(there, "good", "gpu01"))
    assert note(there, "gpu01").read_text() == "as it was"
    assert there.hosts["gpu01"].host_key == before
    assert there.hosts["gpu01"].address == "10.86.7.99"
    assert [(one.label, one.name) for one in snapshots.listed(there)] == [("good", "gpu01")]


def test_another_server_gets_a_name_and_keys_of_its_own(there: Lab) -> None:
    snapshots.take(there, "gpu01", "good")
    there.hosts["box"] = there.hosts["gpu01"].model_copy(update={"address": "10.86.7.12"})
    snapshots.restore(there, "box", snapshots.find(there, "good", "gpu01"))
    box = there.hosts["box"]
    assert box.host_key != there.hosts["gpu01"].host_key
    assert box.host_key_sha256 == identity.fingerprint(box.host_key)
    root = there.machine_dir("box") / "rootfs"
    assert (root / "etc/hostname").read_text() == "box\n"
    installed = (root / "etc/ssh/ssh_host_ed25519_key.pub").read_text()
    assert installed.startswith(box.host_key)
    assert box.password_file is not None
    assert box.password_file.name == "box_password"
    assert box.password_file.read_text() == "secret"


def test_a_lab_that_uses_the_services_has_the_snapshots(there: Lab, tmp_path: Path) -> None:
    snapshots.take(there, "gpu01", "good")
    guest = there.model_copy(
        update={"id": "ffffff", "directory": tmp_path / "guest", "services_of": there.id}
    )
    guest.hosts = {"gpu01": there.hosts["gpu01"].model_copy()}
    snapshots.restore(guest, "gpu01", snapshots.find(guest, "good", "gpu01"))
    assert note(guest, "gpu01").read_text() == "as it was"
    assert note(guest, "gpu01").resolve() != note(there, "gpu01").resolve()


def test_what_was_not_kept_is_named(there: Lab) -> None:
    snapshots.take(there, "gpu01", "good")
    with pytest.raises(LabError, match=r"no snapshot best of gpu01; there are: gpu01 good"):
        snapshots.find(there, "best", "gpu01")
    with pytest.raises(LabError, match="is no label"):
        snapshots.take(there, "gpu01", "../good")


def test_what_is_forgotten_is_gone(there: Lab) -> None:
    snapshots.take(there, "gpu01", "good")
    snapshots.take(there, "gpu01", "better")
    snapshots.forget(there, "good")
    assert [one.label for one in snapshots.listed(there)] == ["better"]
    snapshots.forget_all(there.id)
    assert snapshots.listed(there) == []
