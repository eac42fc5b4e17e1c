"""Newcomers and their fleet: what they will be in it, and what is refused before any contact."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from torchrack.errors import ProblemsError
from torchrack.inventory import load_fleet, load_open
from torchrack.onboard.asked import credentials, rows_of
from torchrack.onboard.hosts_list import Row
from torchrack.onboard.joining import Joining, join

INVENTORY = """
from torchrack.inventory import check_fleet, host, hosts_of
from torchrack.settings import Sshd

gpu = hosts_of(__file__, "gpu", user="torchrack", key="{key}", sshd=Sshd(admin_group="ops"))
{more}
check_fleet(__file__, globals())
"""
HOSTS = "gpu:\n  gpu01:\n    address: 10.0.0.1\n"
NOTHING = dict.fromkeys(Row.model_fields)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("fleet_key", "other_key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True
        )
    return tmp_path


def fleet(folder: Path, *, hosts: str = "", more: str = "") -> Path:
    path = folder / "fleet.py"
    path.write_text(INVENTORY.format(key=folder / "fleet_key", more=more))
    if hosts:
        (folder / "fleet.hosts.yml").write_text(hosts)
        (folder / "fleet.known_hosts").write_text("")
    return path


def joined(path: Path, *rows: Row, **defaults: Any) -> list[Joining]:
    return join(path, rows, defaults, partial(load_open, path))


def refused(path: Path, *rows: Row, **defaults: Any) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        joined(path, *rows, **defaults)
    return [f"{problem.where}: {problem.found}" for problem in caught.value.problems]


def new(name: str = "gpu07", address: str = "10.0.0.7", **more: Any) -> Row:
    return Row(name=name, address=address, **({"user": "debian"} | more))


def test_the_first_host_of_a_fleet_is_seen_as_it_will_be(folder: Path) -> None:
    one = joined(fleet(folder), new())[0]

    assert not one.listed
    assert one.newcomer.admin == "torchrack"
    assert one.host.data["ssh_user"] == "torchrack"
    assert one.host.data["ssh_key"] == str(folder / "fleet_key")
    assert one.host.settings.sshd.admin_group == "ops"
    assert one.known_hosts == folder / "fleet.known_hosts"
    assert one.entry is not None
    assert one.entry.model_dump(exclude_defaults=True) == {
        "address": "10.0.0.7",
        "first_login": "debian",
    }
    assert sorted(path.name for path in folder.iterdir() if "fleet." in path.name) == ["fleet.py"]


def test_what_differs_from_the_group_stands_in_the_entry(folder: Path) -> None:
    one = joined(fleet(folder), new(port=2222, admin="ops", admin_key="other_key"))[0]

    assert one.entry is not None
    assert one.entry.model_dump(exclude_defaults=True) == {
        "address": "10.0.0.7",
        "user": "ops",
        "port": 2222,
        "key": str(folder / "other_key"),
        "first_login": "debian",
    }
    assert (one.host.data["ssh_user"], one.host.data["ssh_port"]) == ("ops", 2222)


def test_options_hold_for_all_rows_that_say_nothing(folder: Path) -> None:
    rows = Row(name="a", address="10.0.0.7"), new("b", "10.0.0.8", key="own")
    one, other = joined(fleet(folder), *rows, user="root", password_env="SECRET")  # noqa: S106

    assert (one.newcomer.user, one.row.password_env) == ("root", "SECRET")
    assert (other.newcomer.user, other.row.key, other.row.password_env) == ("debian", "own", None)


def test_a_host_of_the_inventory_is_what_the_inventory_says(folder: Path) -> None:
    one = joined(fleet(folder, hosts=HOSTS), Row(name="gpu01", address="10.0.0.1"))[0]

    assert one.listed
    assert (one.newcomer.admin, one.group, one.entry) == ("torchrack", None, None)
    assert credentials([one], None) == {"gpu01": None}


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (new("gpu01"), "gpu01: 10.0.0.7 asked for, and 10.0.0.1 in fleet.py"),
        (new("gpu01", "10.0.0.1", port=2), "gpu01: 2 asked for, and 22 in fleet.py"),
        (new("gpu01", "10.0.0.1", admin="x"), "gpu01: x asked for, and torchrack in fleet.py"),
        (new(address="10.0.0.1"), "gpu07: 10.0.0.1 port 22, which is gpu01's in fleet.py"),
        (new(group="cpu"), "gpu07: no group cpu in fleet.py"),
        (new(user=None), "gpu07: no user"),
        (new(admin_key="none"), "gpu07: "),
        (new(admin="root"), "gpu07: 'root'"),
    ],
)
def test_what_is_refused(folder: Path, row: Row, found: str) -> None:
    told = refused(fleet(folder, hosts=HOSTS), row)

    assert len(told) == 1
    assert told[0].startswith(found)


def test_another_port_of_the_same_address_is_another_host(folder: Path) -> None:
    assert not joined(fleet(folder, hosts=HOSTS), new(address="10.0.0.1", port=2222))[0].listed


def test_all_is_refused_at_once(folder: Path) -> None:
    rows = new("gpu01"), new("a", "10.0.0.5"), new("b", "10.0.0.5"), new("a", "10.0.0.9", user=None)

    assert refused(fleet(folder, hosts=HOSTS), *rows) == [
        "b: 10.0.0.5 port 22, asked for as a too",
        "a: asked for twice",
        "gpu01: 10.0.0.7 asked for, and 10.0.0.1 in fleet.py",
        "a: no user",
    ]


def test_a_fleet_with_several_groups_wants_one_named(folder: Path) -> None:
    more = 'big = hosts_of(__file__, "big", user="torchrack")'
    path = fleet(folder, more=more)

    assert refused(path, new()) == ["gpu07: 2 groups to choose from in fleet.py"]
    assert joined(path, new(group="big"), admin_key="fleet_key")[0].newcomer.group == "big"


def test_a_fleet_that_takes_no_host(folder: Path) -> None:
    path = folder / "fleet.py"
    path.write_text(
        "from torchrack.inventory import check_fleet, host\n"
        "(open('k', 'w')).close()\n"
        "gpu = [host('gpu01', address='10.0.0.1', user='u', known_hosts='k')]\n"
        "check_fleet(__file__, globals())\n"
    )

    assert refused(path, new()) == ["gpu07: no groups to choose from in fleet.py"]
    assert [host.name for host in load_fleet(path)] == ["gpu01"]


@pytest.mark.parametrize(
    ("hosts", "given", "found"),
    [
        (None, {"name": "a"}, "no --address"),
        (None, {}, "no --name and no --address"),
        (Path("h.csv"), {"name": "a"}, "--name beside --hosts"),
        (Path("h.csv"), {"host_key": "x", "address": "a"}, "--address, --host-key beside --hosts"),
    ],
)
def test_options_that_do_not_go_together(
    hosts: Path | None, given: dict[str, str], found: str
) -> None:
    with pytest.raises(ProblemsError) as caught:
        rows_of(hosts, NOTHING | given)

    assert [problem.found for problem in caught.value.problems] == [found]


def test_a_newcomer_without_a_credential_and_one_with_too_many(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s")
    rows = new(), new("b", "10.0.0.8", password_env="SECRET", password_file="x")  # noqa: S106

    with pytest.raises(ProblemsError) as caught:
        credentials(joined(fleet(folder), *rows), None)

    assert [problem.where for problem in caught.value.problems] == ["gpu07", "b"]
    assert "--ask-password" in caught.value.problems[0].fix


def test_the_password_is_asked_for_and_never_shown(folder: Path) -> None:
    found = credentials(joined(fleet(folder), new()), lambda: "hunter2")

    assert "hunter2" not in repr(found)


def test_a_host_that_was_prepared_needs_neither_user_nor_credential(folder: Path) -> None:
    path = fleet(folder)
    key = (folder / "other_key.pub").read_text().split()
    (folder / "fleet.known_hosts").write_text(f"10.0.0.7 {key[0]} {key[1]}\n")

    one = joined(path, new(user=None))[0]

    assert (one.listed, one.known, one.newcomer.user) == (False, True, "torchrack")
    assert credentials([one], None) == {"gpu07": None}
    assert refused(path, new("b", "10.0.0.8", user=None)) == ["b: no user"]
