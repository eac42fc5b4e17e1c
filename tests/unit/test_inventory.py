"""Wrong settings end a run before the first connection, with all problems and no traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from torchrack.inventory import load_fleet

ROOT = Path(__file__).parents[2]
IMPORTS = (
    "from torchrack.settings import Docker, Driver, Images, Port, Toolkit, Workload, Workloads\n"
)
INVENTORY = """\
from torchrack.inventory import check_fleet, host
from torchrack.settings import Docker

gpu = [
    host("gpu01", address="127.0.0.1", port={port}, user="nobody", known_hosts={known!r}{more}),
]
{lines}
check_fleet(__file__, globals())
"""


@pytest.fixture
def fleet(tmp_path):
    """Run pyinfra on an inventory and group data in a folder of its own."""
    known = tmp_path / "known_hosts"
    known.touch()

    def run(group_data="", more="", port=9, known_hosts=known, lines=""):
        (tmp_path / "group_data").mkdir()
        (tmp_path / "group_data" / "all.py").write_text(IMPORTS + group_data)
        text = INVENTORY.format(port=port, known=str(known_hosts), more=more, lines=lines)
        (tmp_path / "fleet.py").write_text(text)
        (tmp_path / "deploy.py").write_text("")
        return subprocess.run(
            [Path(sys.executable).with_name("pyinfra"), "-y", "fleet.py", "deploy.py"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "COLUMNS": "400"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def refused(done, *words):
    """The run ended with 1, said all words, showed no traceback, and did not connect."""
    assert done.returncode == 1
    assert [word for word in words if word not in done.stderr] == []
    assert "Traceback" not in done.stderr
    assert "Connecting" not in done.stderr
    return True


def test_good_settings_get_as_far_as_connecting(fleet):
    done = fleet("driver = Driver(version='580.159.04')\n")
    assert "Connecting to hosts" in done.stderr


def test_several_wrong_values_are_told_with_file_and_line(fleet):
    done = fleet(
        "driver = Driver(version='newest', flavor='open')\n"
        "docker = Docker(log_max_size='10 apples')\n"
        "dokcer = Docker()\n"
        "toolkit = Driver()\n"
        "workers = 5\n"
    )
    assert refused(
        done,
        "all.py:2",
        "Driver.version",
        "Driver.flavor",
        "all.py:3",
        "Docker.log_max_size",
        "did you mean docker?",
        "write toolkit = Toolkit(...)",
        "Setting workers",
        "6 problem(s) in the settings; no host was contacted.",
    )


def test_a_file_that_does_not_load(fleet):
    assert refused(fleet("driver = Driver(\n"), "all.py:2", "SyntaxError")


def test_a_name_that_does_not_exist(fleet):
    assert refused(fleet("x = 1/0\n"), "all.py:2", "ZeroDivisionError")


def test_what_is_wrong_together_is_told_once_for_all_hosts(fleet):
    done = fleet(
        "images = Images(catalog={'pytorch': 'pytorch:latest'})\n"
        "workloads = Workloads(containers=[\n"
        "    Workload(name='aa', kind='container', image='pytorch', cpuset='5-2'),\n"
        "    Workload(name='bb', kind='jupyter', image='torch', ports=[\n"
        "        Port(container=8888, host=8888), Port(container=80, host=8888)]),\n"
        "])\n"
    )
    assert refused(
        done,
        "images.catalog['pytorch']",
        "all.py:4",
        "5-2 in '5-2'",
        "'torch'",
        "port 8888",
        "4 problem(s)",
    )


def test_a_wrong_section_in_the_inventory(fleet):
    done = fleet(more=", docker=Docker(sauce='distro')")
    assert refused(done, "fleet.py:5", "Docker.sauce", "use one of: source")


def test_a_section_under_a_wrong_name_in_the_inventory(fleet):
    assert refused(fleet(more=", dokcer=Docker()"), "gpu01", "Setting dokcer")


def test_a_list_that_is_no_group_of_hosts(fleet):
    """pyinfra would make the hosts alice and bob of it."""
    refused(fleet(lines="ADMINS = ['alice', 'bob']\n"), "List ADMINS", "rename it to _ADMINS")


def test_a_port_that_is_none_and_a_missing_known_hosts(fleet, tmp_path):
    done = fleet(port=70000, known_hosts=tmp_path / "nowhere")
    assert refused(done, "SSH port", "70000", "known_hosts file")


@pytest.mark.parametrize("before", ["", "check_fleet(__file__, globals())\n"])
def test_an_inventory_that_does_not_end_with_its_check(tmp_path, capsys, monkeypatch, before):
    """Without it a host does not know its inventory; commands ended in a traceback."""
    monkeypatch.setenv("COLUMNS", "400")
    (tmp_path / "known").touch()
    entry = 'host("{}", address="192.0.2.{}", user="ann", known_hosts="known")'
    (tmp_path / "fleet.py").write_text(
        "from torchrack.inventory import check_fleet, host\n"
        f"first = [{entry.format('gpu01', 1)}]\n{before}late = [{entry.format('gpu02', 2)}]\n"
    )
    with pytest.raises(SystemExit):
        load_fleet(tmp_path / "fleet.py")
    said = " ".join(capsys.readouterr().err.split())
    assert "no check_fleet() after the hosts" in said
    assert "gpu02" in said
    assert ("gpu01" in said) == (not before)
