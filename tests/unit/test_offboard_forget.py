"""A server that leaves is taken out of hosts file, lock and known_hosts, and nothing else is."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from torchrack import exclusive, hosts_file
from torchrack.inventory import FleetHost
from torchrack.lock import file as lock_file
from torchrack.lock.model import Found, Group, Lock, LockedDriver
from torchrack.offboard.forget import forget, stands_in, without
from torchrack.onboard import pins
from torchrack.settings.model import merge

HOSTS = """\
# Our rack.
gpu:
  gpu01:  # the loud one
    address: 192.0.2.11
  gpu02:
    address: 192.0.2.12
"""


def group(*names: str) -> Group:
    return Group(
        hosts=names,
        found=Found(os="debian13", machine="amd64", gpus={"10de:2335": 1}),
        asked={},
        driver=LockedDriver(
            version="580.159.04", flavour="open", source="cuda-repo", modules="dkms"
        ),
        packages={},
    )


@pytest.fixture
def host(tmp_path: Path) -> FleetHost:
    (tmp_path / "fleet.hosts.yml").write_text(HOSTS)
    lock = Lock(schema=1, groups=(group("gpu01", "gpu02"),))
    lock_file.write(tmp_path / "fleet.lock.yml", lock, tmp_path / "fleet.py")
    key = paramiko.ECDSAKey.generate()
    for address in ("192.0.2.11", "192.0.2.12"):
        pins.pin(tmp_path / "fleet.known_hosts", address, 22, key)
    data = {
        "_inventory_file": str(tmp_path / "fleet.py"),
        "_lock_file": str(tmp_path / "fleet.lock.yml"),
        "_hosts_file": str(tmp_path / "fleet.hosts.yml"),
        "ssh_known_hosts_file": str(tmp_path / "fleet.known_hosts"),
        "ssh_hostname": "192.0.2.12",
        "ssh_port": 22,
    }
    return FleetHost("gpu02", data, merge([]))


def test_takes_it_out_of_all_three_files(host: FleetHost, tmp_path: Path) -> None:
    done, by_hand = forget(host)
    assert len(done) == 3
    assert not by_hand
    assert (tmp_path / "fleet.hosts.yml").read_text() == HOSTS[: HOSTS.index("  gpu02")]
    lock = lock_file.read(tmp_path / "fleet.lock.yml")
    assert lock is not None
    assert lock.group("gpu02") is None
    assert lock.group("gpu01") is not None
    known = tmp_path / "fleet.known_hosts"
    assert not pins.pinned(known, "192.0.2.12", 22)
    assert pins.pinned(known, "192.0.2.11", 22)


def test_waits_for_a_run_that_changes_the_lock(
    host: FleetHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What another run adds to the lock meanwhile is not lost."""
    (tmp_path / "fleet.hosts.yml").unlink()
    (tmp_path / "hosts").mkdir()
    data = {**host.data, "_hosts_file": str(tmp_path / "hosts" / "fleet.hosts.yml")}
    (tmp_path / "hosts" / "fleet.hosts.yml").write_text(HOSTS)
    other = ExitStack()
    other.enter_context(exclusive.exclusive(tmp_path))

    def added(_seconds: float) -> None:
        lock = Lock(schema=1, groups=(group("gpu01", "gpu02", "gpu03"),))
        lock_file.write(tmp_path / "fleet.lock.yml", lock, tmp_path / "fleet.py")
        other.close()

    monkeypatch.setattr(exclusive.time, "sleep", added)
    forget(replace(host, data=data))
    lock = lock_file.read(tmp_path / "fleet.lock.yml")
    assert lock is not None
    assert [one.hosts for one in lock.groups] == [("gpu01", "gpu03")]


def test_goes_on_where_an_earlier_run_ended(host: FleetHost, tmp_path: Path) -> None:
    pins.unpin(tmp_path / "fleet.known_hosts", "192.0.2.12", 22)
    (tmp_path / "fleet.lock.yml").unlink()
    done, by_hand = forget(host)
    assert [one.partition(" is out of ")[0] for one in done] == ["gpu02"]
    assert not by_hand


def test_a_line_of_python_is_left_to_a_person(host: FleetHost, tmp_path: Path) -> None:
    hosts_file.remove(tmp_path / "fleet.hosts.yml", "gpu02")
    assert stands_in(host) is None
    done, by_hand = forget(host)
    assert not done
    assert "take gpu02 out of" in by_hand[0]
    assert pins.pinned(tmp_path / "fleet.known_hosts", "192.0.2.12", 22), "still trusted"


def test_the_last_host_of_a_group_takes_the_group_with_it() -> None:
    lock = Lock(schema=1, groups=(group("gpu01"), group("gpu02", "gpu03")))
    left = without(without(lock, "gpu01"), "gpu03")
    assert [one.hosts for one in left.groups] == [("gpu02",)]
