"""torchrack onboard before any host: what it refuses, and the files for servers to come."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from torchrack.cli import app
from torchrack.entry import _DEPLOYING

INVENTORY = """
from torchrack.inventory import check_fleet, hosts_of

gpu = hosts_of(__file__, "gpu", user="torchrack", key="{key}")
check_fleet(__file__, globals())
"""
ROOT = Path(__file__).parents[2]
HOST = ("--name", "gpu07", "--address", "192.0.2.7")


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    (tmp_path / "deploy.py").symlink_to(ROOT / "deploy.py")
    path = tmp_path / "fleet.py"
    path.write_text(INVENTORY.format(key=key))
    return path


def onboard(fleet: Path, *arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(
        app, ["onboard", str(fleet), *map(str, arguments)]
    )


def test_it_runs_under_gevent_as_a_deploy_does() -> None:
    assert ["onboard"] in _DEPLOYING


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (HOST, "nobody can be asked here: give --yes, or --dry-run"),
        (
            (*HOST, "--yes", "--until", "reboot"),
            "--until reboot: no such step; the steps are probe",
        ),
        ((*HOST, "--yes"), "--user NAME, or user in the hosts file"),
        ((*HOST, "--yes", "--user", "debian"), "give --key FILE, --agent, --ask-password"),
        (("--yes",), "no --name and no --address"),
        (("--yes", "--hosts", "none.csv"), "No such file"),
        ((*HOST, "--yes", "--deploy", "none.py"), "--deploy: none.py can't be loaded"),
        ((*HOST, "--yes", "--host-key", "md5:aa"), "SHA256: and 43 characters"),
    ],
)
def test_what_is_refused_before_any_contact(
    fleet: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = onboard(fleet, *arguments)

    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_an_inventory_that_is_broken(fleet: Path) -> None:
    fleet.write_text("1 / 0\n")

    result = onboard(fleet, *HOST, "--yes")

    assert result.exit_code == 1
    assert "ZeroDivisionError" in result.stderr


def test_a_server_that_has_not_booted_gets_its_key_and_needs_no_login(fleet: Path) -> None:
    written = onboard(fleet, *HOST, "--print-cloud-init")

    file = fleet.parent / "gpu07.user-data.yml"
    config = yaml.safe_load(file.read_text())
    assert written.exit_code == 0, written.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert config["users"][0]["name"] == "torchrack"
    assert "PRIVATE KEY" not in written.output
    assert "torchrack onboard fleet.py --name gpu07 --address 192.0.2.7" in written.output
    assert (fleet.parent / "fleet.known_hosts").read_text().startswith("192.0.2.7 ssh-ed25519 ")


def test_a_second_file_for_a_server_is_refused(fleet: Path) -> None:
    onboard(fleet, *HOST, "--print-cloud-init")
    pins = (fleet.parent / "fleet.known_hosts").read_text()

    again = onboard(fleet, *HOST, "--print-autoinstall", "--output", "other.yml")

    assert again.exit_code == 1
    assert "pinned for 192.0.2.7" in again.stderr
    assert (fleet.parent / "fleet.known_hosts").read_text() == pins
    assert not (fleet.parent / "other.yml").exists()


def test_files_for_several_servers(fleet: Path) -> None:
    rack = fleet.parent / "rack.csv"
    rack.write_text("name,address\ngpu07,192.0.2.7\ngpu08,192.0.2.8\n")

    one = onboard(fleet, "--hosts", rack, "--print-autoinstall", "--output", "x.yml")
    each = onboard(fleet, "--hosts", rack, "--print-autoinstall")

    assert (one.exit_code, each.exit_code) == (1, 0), each.output
    assert "one for 2 servers" in one.stderr
    assert sorted(path.name for path in fleet.parent.glob("*.autoinstall.yml")) == [
        "gpu07.autoinstall.yml",
        "gpu08.autoinstall.yml",
    ]
