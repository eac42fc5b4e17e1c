"""The nightly job: units that say what they should, installed once; one check at a time."""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from torchrack.drift.alone import alone
from torchrack.errors import TorchrackError

ROOT = Path(__file__).parents[2]
FAKE = """#!/bin/sh
echo "$*" >> "$(dirname "$0")/calls"
case "$*" in
    *is-enabled*|*is-active*) [ -e "$(dirname "$0")/on" ] ;;
    *restart*) touch "$(dirname "$0")/on" ;;
    *disable*) rm -f "$(dirname "$0")/on" ;;
    *) [ ! -e "$(dirname "$0")/broken" ] || { echo "no bus here" >&2; exit 1; } ;;
esac
"""


class Machine:
    """A controller whose systemctl writes down what it is told; it belongs to a plain user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        fleet = folder / "fleet"
        fleet.mkdir()
        (fleet / "deploy.py").write_text("")
        (fleet / "my lab.py").write_text("")
        systemctl = folder / "systemctl"
        systemctl.write_text(FAKE)
        systemctl.chmod(0o755)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Not root, as far as the command can see: its units go to the user's folder.
        code = "import os; os.geteuid = lambda: 1000; from torchrack.entry import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, "drift", "install-timer", *arguments],
            cwd=self.folder / "fleet", capture_output=True, text=True, check=False, timeout=60,
            env=os.environ | {
                "PATH": f"{self.folder}:{os.environ['PATH']}",
                "XDG_CONFIG_HOME": str(self.folder / "config"),
                "PYTHONPATH": str(ROOT),
            },
        )  # fmt: skip

    @property
    def units(self) -> Path:
        return self.folder / "config" / "systemd" / "user"

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def inventory(machine: Machine) -> str:
    """An inventory that can be read: one host that is never contacted."""
    path = machine.folder / "fleet" / "lab.py"
    path.write_text(
        "from torchrack.inventory import check_fleet, host\n"
        f"known = {str(machine.folder / 'known_hosts')!r}\n"
        "hosts = [host('gpu01', address='192.0.2.1', user='ann', known_hosts=known)]\n"
        "check_fleet(__file__, globals())\n"
    )
    (machine.folder / "known_hosts").write_text("")
    return path.name


def unit(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def test_units_are_installed_once(machine: Machine) -> None:
    fleet = inventory(machine)

    first = machine.run(fleet, "--at", "04:30", "--jitter", "10min", "--time-limit", "20min")
    assert first.returncode == 0, first.stderr
    service = unit((machine.units / "torchrack-drift-lab.service").read_text())["Service"]
    timer = unit((machine.units / "torchrack-drift-lab.timer").read_text())["Timer"]
    assert (timer["OnCalendar"], timer["RandomizedDelaySec"]) == ("*-*-* 04:30:00", "10min")
    assert service["ExecStart"].endswith(
        "drift check lab.py --deploy deploy.py --nightly --time-limit 1200"
    )
    assert (service["SuccessExitStatus"], service["TimeoutStartSec"]) == ("2", "1260")
    assert "--user enable torchrack-drift-lab.timer" in machine.calls

    before = len(machine.calls)
    again = machine.run(fleet, "--at", "04:30", "--jitter", "10min", "--time-limit", "20min")
    assert "nothing was changed" in again.stdout
    assert not any("daemon-reload" in call for call in machine.calls[before:])

    changed = machine.run(fleet, "--at", "05:00")
    assert changed.returncode == 0
    assert "05:00" in (machine.units / "torchrack-drift-lab.timer").read_text()


def test_units_are_removed(machine: Machine) -> None:
    fleet = inventory(machine)
    machine.run(fleet)
    assert machine.run(fleet, "--remove").returncode == 0
    assert list(machine.units.iterdir()) == []
    assert "--user disable --now torchrack-drift-lab.timer" in machine.calls
    assert "nothing was changed" in machine.run(fleet, "--remove").stdout


def test_without_systemd_nothing_is_written(machine: Machine) -> None:
    (machine.folder / "broken").touch()
    done = machine.run(inventory(machine))
    assert done.returncode == 1
    assert "no bus here" in done.stderr
    assert "--print cron" in done.stderr
    assert not machine.units.exists()


def test_what_is_printed_is_not_installed(machine: Machine) -> None:
    cron = machine.run("my lab.py", "--print", "cron", "--at", "03:07").stdout
    assert cron.startswith("7 3 * * * sleep ")
    assert "drift check 'my lab.py' --deploy deploy.py --nightly" in cron
    job = yaml.safe_load(machine.run("my lab.py", "--print", "ci").stdout)
    assert job[True]["schedule"] == [{"cron": "0 3 * * *"}]  # YAML 1.1 reads "on" so
    units = machine.run("my lab.py", "--print", "systemd").stdout
    assert 'drift check "my lab.py"' in units
    assert not machine.units.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("lab.py", "--at", "25:00"), "no time of day"),
        (("lab.py", "--jitter", "soon"), "no span of time"),
        (("lab.py", "--time-limit", "0s"), "no span of time"),
        (("nosuch.py",), "nosuch.py: no such inventory"),
        (("lab.py", "--deploy", "nosuch.py"), "nosuch.py: no such deploy file"),
    ],
)
def test_bad_input_is_refused(machine: Machine, arguments: tuple[str, ...], said: str) -> None:
    inventory(machine)
    done = machine.run(*arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_one_nightly_check_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "state" / "lab.lock"
    with alone(path), pytest.raises(TorchrackError, match=f"process {os.getpid()}"), alone(path):
        pass
    with alone(path):
        pass


def test_a_lock_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TorchrackError, match="can't be written"), alone(tmp_path / "file" / "x"):
        pass
