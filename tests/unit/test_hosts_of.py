"""Hosts that commands write down are hosts of the inventory like all others."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from torchrack.hosts_file import Entry, add, proposing
from torchrack.inventory import OpenGroup, load_fleet, load_open

ROOT = Path(__file__).parents[2]
INVENTORY = """\
from torchrack.inventory import check_fleet, host, hosts_of
from torchrack.settings import Docker

{before}
gpu = hosts_of(__file__, "gpu", user="torchrack"{more})
{lines}
check_fleet(__file__, globals())
"""


class Fleet:
    """An inventory in a folder of its own, which is the current one."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "lab.py"
        self.hosts = folder / "lab.hosts.yml"
        (folder / "lab.known_hosts").touch()
        (folder / "key").touch()

    def write(self, before: str = "", more: str = "", lines: str = "") -> None:
        self.path.write_text(INVENTORY.format(before=before, more=more, lines=lines))


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    made = Fleet(tmp_path)
    made.write()
    return made


def test_entries_and_what_holds_for_all(fleet: Fleet) -> None:
    fleet.write(more=", key='key', docker=Docker(log_max_size='1MiB')")
    add(fleet.hosts, "gpu", "gpu01", Entry(address="192.0.2.11"))
    own = Entry(
        address="192.0.2.12",
        port=2222,
        user="ann",
        agent=True,
        key=str(fleet.path),
        first_login="ubuntu",
    )
    add(fleet.hosts, "gpu", "gpu02", own)
    first, second = load_fleet(fleet.path)
    assert (first.name, first.data["ssh_hostname"], first.data["ssh_port"]) == (
        "gpu01", "192.0.2.11", 22,
    )  # fmt: skip
    assert (first.data["ssh_user"], first.data["ssh_key"]) == ("torchrack", "key")
    assert first.data["ssh_known_hosts_file"] == str(fleet.path.with_name("lab.known_hosts"))
    assert first.data["ssh_allow_agent"] is False
    assert first.settings.docker.log_max_size == 2**20
    assert (second.data["ssh_user"], second.data["ssh_key"]) == ("ann", str(fleet.path))
    assert (second.data["ssh_port"], second.data["ssh_allow_agent"]) == (2222, True)
    assert second.data["_hosts_file"] == str(fleet.hosts)
    assert [one.data["_first_login"] for one in (first, second)] == [None, "ubuntu"]


def test_pyinfra_reads_them_too(fleet: Fleet) -> None:
    add(fleet.hosts, "gpu", "gpu01", Entry(address="192.0.2.11"))
    (fleet.path.parent / "group_data").mkdir()
    (fleet.path.parent / "group_data" / "gpu.py").write_text(
        "from torchrack.settings import Docker\ndocker = Docker(log_max_size='2MiB')\n"
    )
    done = subprocess.run(
        [Path(sys.executable).with_name("pyinfra"), "lab.py", "debug-inventory"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "192.0.2.11" in done.stdout + done.stderr
    assert "2097152" in done.stdout + done.stderr


def test_a_fleet_without_a_host_is_refused_with_the_command_that_adds_one(fleet, capsys) -> None:
    with pytest.raises(SystemExit):
        load_fleet(fleet.path)
    assert "torchrack onboard lab.py --name gpu01 --address ADDRESS" in capsys.readouterr().err


def test_the_first_host_can_join(fleet: Fleet) -> None:
    hosts, groups = load_open(fleet.path)
    pins = fleet.path.with_name("lab.known_hosts")
    assert hosts == []
    assert groups == [OpenGroup("gpu", fleet.hosts, pins, "torchrack", None)]
    with proposing(groups[0].hosts_file, "gpu", "gpu01", Entry(address="192.0.2.11")):
        assert [host.name for host in load_fleet(fleet.path)] == ["gpu01"]
    add(groups[0].hosts_file, "gpu", "gpu01", Entry(address="192.0.2.11"))
    assert [host.name for host in load_fleet(fleet.path)] == ["gpu01"]


def test_a_host_whose_key_is_pinned_elsewhere_for_a_trial(fleet: Fleet) -> None:
    fleet.path.with_name("lab.known_hosts").unlink()
    pins = fleet.path.with_name("trial")
    pins.touch()
    trial = Entry(address="192.0.2.11", known_hosts=str(pins))
    with proposing(fleet.hosts, "gpu", "gpu01", trial):
        (host,) = load_fleet(fleet.path)
    assert host.data["ssh_known_hosts_file"] == str(pins)


def test_the_hosts_file_may_lie_elsewhere(fleet: Fleet) -> None:
    elsewhere = fleet.path.parent / "deep" / "servers.yml"
    fleet.write(more=f", hosts_file={str(elsewhere)!r}")
    add(elsewhere, "gpu", "gpu01", Entry(address="192.0.2.11"))
    assert [host.name for host in load_fleet(fleet.path)] == ["gpu01"]
    assert load_open(fleet.path)[1][0].hosts_file == elsewhere


HERE = "cpu = [host('gpu01', address='192.0.2.{}', user='a', known_hosts='lab.known_hosts')]"


@pytest.mark.parametrize(
    ("text", "written", "words"),
    [
        ({}, "gpu:\n  gpu01: {address: 1, prot: 2}\n", ["lab.hosts.yml:2", "gpu01: prot"]),
        ({}, "gpu:\n  a: {address: x, port: 99999}\n  b: {}\n", ["a: port", "b: address"]),
        ({}, "gpus:\n  gpu01: {address: 192.0.2.11}\n", ["Group gpus", "1 host(s) that lab.py"]),
        ({}, "gpu:\n  a: {address: x, key: none}\n", ["a │ SSH key │ no file none"]),
        ({"before": HERE.format(11)}, "gpu:\n  gpu01: {address: 192.0.2.11}\n", ["two hosts"]),
        ({"before": HERE.format(11)}, "gpu:\n  a: {address: 192.0.2.11}\n", ["which is gpu01's"]),
        (
            {"before": HERE.format(11), "lines": f"new = {HERE.format(12)[6:]}"},
            "gpu:\n  a: {address: 192.0.2.13}\n",
            ["two hosts, at 192.0.2.11 port 22 and 192.0.2.12 port 22"],
        ),
        (
            {"lines": "gpus = gpu\ndel gpu"},
            "gpu:\n  a: {address: 192.0.2.11}\n",
            ["Group gpu", 'write gpu = hosts_of(__file__, "gpu", ...)'],
        ),
    ],
)
def test_what_is_wrong_is_told_before_any_connection(fleet, text, written, words, capsys) -> None:
    fleet.write(**text)
    fleet.hosts.write_text(written)
    with pytest.raises(SystemExit, match="no host was contacted"):
        load_fleet(fleet.path)
    said = " ".join(capsys.readouterr().err.split())
    assert [word for word in words if word not in said] == []


def test_hosts_without_a_user_anywhere(fleet: Fleet, capsys) -> None:
    fleet.path.write_text(fleet.path.read_text().replace(', user="torchrack"', ""))
    add(fleet.hosts, "gpu", "gpu01", Entry(address="192.0.2.11"))
    with pytest.raises(SystemExit):
        load_fleet(fleet.path)
    assert "no user" in capsys.readouterr().err


def test_a_hosts_file_that_the_inventory_does_not_read(fleet: Fleet, capsys) -> None:
    fleet.path.write_text(
        "from torchrack.inventory import check_fleet, host\n"
        + HERE.format(11)
        + "\ncheck_fleet(__file__, globals())\n"
    )
    assert [host.name for host in load_fleet(fleet.path)] == ["gpu01"]
    add(fleet.hosts, "gpu", "gpu02", Entry(address="192.0.2.12"))
    with pytest.raises(SystemExit):
        load_fleet(fleet.path)
    assert "does not read" in capsys.readouterr().err


def test_a_broken_hosts_file_that_nobody_reads(fleet: Fleet, capsys) -> None:
    fleet.path.write_text(
        "from torchrack.inventory import check_fleet, host\n"
        + HERE.format(11)
        + "\ncheck_fleet(__file__, globals())\n"
    )
    fleet.hosts.write_text("gpu: [\n")
    with pytest.raises(SystemExit, match=r"^1 problem"):
        load_fleet(fleet.path)
    assert "Hosts file" in capsys.readouterr().err


def test_a_host_may_be_in_several_groups(fleet: Fleet) -> None:
    fleet.write(lines="training = gpu[:1]")
    add(fleet.hosts, "gpu", "gpu01", Entry(address="192.0.2.11"))
    assert [host.name for host in load_fleet(fleet.path)] == ["gpu01"]
