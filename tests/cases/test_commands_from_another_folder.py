"""A fleet's commands are run from another folder than the fleet's.

pyinfra reads group_data of the current folder and of the inventory's. From anywhere else the
settings were silently gone, and the plan removed people's containers; a folder with group_data of
its own lent that to the fleet. Tools that look for data in the current folder surprise people so.

Reference: https://github.com/pyinfra-dev/pyinfra/issues/577
Reference: https://github.com/ansible/ansible/issues/23692
Kind: what a host is to be depends on where a command is typed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from torchrack import fleet_folder
from torchrack.commands.fleet import deploy_of
from torchrack.drift import waivers
from torchrack.drift.alerts import targets
from torchrack.inventory import load_fleet
from torchrack.run import stages_of

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
IMPORTS = "from torchrack.settings import Base, Docker, Driver, Toolkit, file, command\n"
INVENTORY = """
from torchrack.inventory import check_fleet, host
gpu = [host("@local", address="127.0.0.1", user="ann", known_hosts="keys/known_hosts")]
check_fleet(__file__, globals())
"""
DEPLOY = """
from torchrack.context import current_host
from torchrack.settings.model import of
from pyinfra import host
found = of(current_host())
print("SOURCE", found.docker.source, found.driver.version, host.data.get("ssh_config_file"))
"""


@pytest.fixture(autouse=True)
def _no_fleet_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_folder, "_current", Path())


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A fleet with an inventory below it, and another fleet with other settings."""
    for name, source in (("ours", "distro"), ("other", "docker-ce")):
        folder = tmp_path / name
        write(folder / "group_data/all.py", f"docker = Docker(source={source!r})\n")
        write(folder / "inventories/lab.py", INVENTORY)
        (folder / "deploy.py").write_text(DEPLOY)
        write(folder / "keys/known_hosts", "")
    write(tmp_path / "other/group_data/all.py", "driver = Driver(version='535')\n", more=True)
    (tmp_path / "plain").mkdir()
    return tmp_path / "ours"


def write(path: Path, text: str, *, more: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    begin = path.read_text() if more else IMPORTS if "group_data" in path.parts else ""
    path.write_text(begin + text)


def source(inventory: Path | str) -> tuple[str, str]:
    (host,) = load_fleet(inventory)
    return host.settings.docker.source, host.settings.driver.version


WHERE: dict[str, Callable[[Path], tuple[Path, str]]] = {
    "its own folder": lambda fleet: (fleet, "inventories/lab.py"),
    "the inventory's": lambda fleet: (fleet / "inventories", "lab.py"),
    "above it": lambda fleet: (fleet.parent, "ours/inventories/lab.py"),
    "the root": lambda fleet: (Path("/"), str(fleet / "inventories/lab.py")),
    "a folder beside it": lambda fleet: (fleet.parent / "plain", "../ours/inventories/lab.py"),
    "another fleet's": lambda fleet: (fleet.parent / "other", "../ours/inventories/lab.py"),
    "another's inventories": lambda fleet: (
        fleet.parent / "other/inventories",
        str(fleet / "inventories/lab.py"),
    ),
}


@pytest.mark.parametrize("where", WHERE)
def test_settings_are_found_from_the_inventory(
    where: str, fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, inventory = WHERE[where](fleet)
    monkeypatch.chdir(folder)

    assert source(inventory) == ("distro", "auto")
    assert deploy_of(Path(inventory), None, "deploy").resolve() == fleet / "deploy.py"


@pytest.mark.parametrize("where", WHERE)
def test_plain_pyinfra_finds_them_as_well(where: str, fleet: Path) -> None:
    folder, inventory = WHERE[where](fleet)
    done = pyinfra(folder, inventory, str(fleet / "deploy.py"))
    assert "SOURCE distro auto None" in done.stdout, done.stderr


def pyinfra(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "pyinfra", "-y", *words],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "1500"},
    )  # fmt: skip


@pytest.mark.parametrize("what", ["file", "folder"])
def test_symbolic_links_lead_to_the_fleet(
    what: str, fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock, waivers and alerts are those of the file that is linked to."""
    link = fleet.parent / "plain" / "link.py"
    if what == "file":
        link.symlink_to(fleet / "inventories/lab.py")
    else:
        (fleet.parent / "plain/link").symlink_to(fleet)
        link = fleet.parent / "plain/link/inventories/lab.py"
    monkeypatch.chdir(link.parent)

    assert source(link) == ("distro", "auto")
    (host,) = load_fleet(link)
    assert host.data["_lock_file"] == str(fleet / "inventories/lab.lock.yml")
    assert waivers.path_of(link).resolve() == fleet / "inventories/lab.waivers.yml"
    assert targets.path_of(link).resolve() == fleet / "inventories/lab.alerts.yml"
    done = pyinfra(link.parent, link.name, str(fleet / "deploy.py"))
    assert "SOURCE distro auto None" in done.stdout, done.stderr


@pytest.mark.parametrize("deploy", [True, False])
def test_group_data_of_both_folders_count_and_the_nearer_counts_more(
    deploy: bool, fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(fleet / "inventories/group_data/all.py", "driver = Driver(version='570')\n")
    write(fleet / "group_data/all.py", "driver = Driver(version='535')\n", more=True)
    if not deploy:
        (fleet / "deploy.py").rename(fleet / "site.py")
    monkeypatch.chdir("/")
    assert source(fleet / "inventories/lab.py") == ("distro", "570")


def test_an_inventory_in_the_fleets_folder_has_no_group_data_above(
    fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fleet / "inventories/lab.py").rename(fleet / "lab.py")
    write(fleet.parent / "group_data/all.py", "driver = Driver(version='535')\n")
    monkeypatch.chdir(fleet.parent)
    assert source(fleet / "lab.py") == ("distro", "auto")


def test_an_inventory_deep_in_the_fleet(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(fleet / "inventories/site/lab.py", INVENTORY)
    monkeypatch.chdir("/")
    assert source(fleet / "inventories/site/lab.py") == ("distro", "auto")


def refused(inventory: Path, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        load_fleet(inventory)
    return " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_two_folders_and_no_deploy_file_are_refused(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of the two may be another fleet's."""
    (fleet / "deploy.py").unlink()
    (fleet / "inventories").rename(fleet / "site")
    write(fleet / "site/group_data/all.py", "")
    monkeypatch.chdir("/")
    monkeypatch.setenv("COLUMNS", "400")
    assert "put deploy.py into the fleet's folder" in refused(fleet / "site/lab.py", capsys)


def test_settings_of_the_current_folder_are_not_lost_in_silence(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An inventory outside of the fleet had its settings by the current folder alone."""
    write(fleet.parent / "plain/lab.py", INVENTORY)
    write(fleet.parent / "plain/keys/known_hosts", "")
    monkeypatch.setenv("COLUMNS", "400")

    monkeypatch.chdir(fleet)
    assert "settings (docker) in the current folder" in refused(
        fleet.parent / "plain/lab.py", capsys
    )
    monkeypatch.chdir("/")
    assert source(fleet.parent / "plain/lab.py") == ("docker-ce", "auto")


def test_pyinfras_own_option_counts(fleet: Path) -> None:
    more = fleet.parent / "more"
    write(more / "group_data/lab.py", "driver = Driver(version='570')\n")
    for given in (more / "group_data", more / "group_data/lab.py"):
        words = ("--group-data", str(given), "inventories/lab.py", "deploy.py")
        done = pyinfra(fleet, *words)
        assert "SOURCE distro 570 None" in done.stdout, done.stderr


def test_connection_data_of_a_group_are_found_too(fleet: Path) -> None:
    write(fleet / "group_data/gpu.py", "ssh_config_file = '/etc/ours'\n")
    done = pyinfra(Path("/"), str(fleet / "inventories/lab.py"), str(fleet / "deploy.py"))
    assert "SOURCE distro auto /etc/ours" in done.stdout, done.stderr


def test_pyinfra_is_refused_where_it_takes_them_from_elsewhere(fleet: Path) -> None:
    """Sections are checked with the inventory; what pyinfra takes for itself can't be kept out."""
    write(fleet.parent / "other/group_data/all.py", "ssh_config_file = '/etc/other'\n", more=True)
    done = pyinfra(fleet.parent / "other", "../ours/inventories/lab.py", "../ours/deploy.py")
    assert done.returncode == 1
    cells = [line.split("│")[-2] for line in done.stderr.splitlines() if line.count("│") > 2]
    said = "".join("".join(cells).split())
    assert f"run cd {fleet} && pyinfra -y {fleet}/inventories/lab.py".replace(" ", "") in said
    assert "SOURCE" not in done.stdout
    assert "Connecting" not in done.stderr


def test_the_current_folders_deploy_file_is_none_of_the_fleets(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (fleet / "deploy.py").unlink()
    monkeypatch.chdir(fleet.parent / "other")
    with pytest.raises(Exception) as ended:  # noqa: PT011 - typer's, whatever click it carries
        deploy_of(fleet / "inventories/lab.py", None, "deploy")
    assert getattr(ended.value, "exit_code", None) == 1
    assert f"no deploy.py in the fleet's folder {fleet}" in capsys.readouterr().err


def test_stages_of_the_fleet_are_found_from_anywhere(
    fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fleet / "stages_of_ours.py").write_text("def act(): pass\n")
    (fleet / "deploy.py").write_text(
        "import stages_of_ours\nfrom torchrack.run import run\nrun(stages_of_ours.act)\n"
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir("/")
    assert [stage.__module__ for stage in stages_of(fleet / "deploy.py")] == ["stages_of_ours"]


def test_relative_paths_of_settings_begin_in_the_fleets_folder(
    fleet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the current folder are other files, however they are called."""
    for folder, text in ((fleet, "ours"), (fleet.parent / "other", "other")):
        write(folder / "keys/nvidia.asc", text)
        write(folder / "keys/secret", text)
        (folder / "keys/secret").chmod(0o600)
        write(folder / "keys/say", f"#!/bin/sh\necho {text}\n")
        (folder / "keys/say").chmod(0o755)
    write(
        fleet / "group_data/all.py",
        "from torchrack.settings import Images, Registry\n"
        "driver = Driver(repository='https://mirror.example/x', key_file='keys/nvidia.asc')\n"
        "images = Images(registries=[\n"
        " Registry(address='a.example', username='u', password=file('keys/secret')),\n"
        " Registry(address='b.example', username='u', password=command('keys/say')),\n"
        "])\n",
        more=True,
    )
    monkeypatch.chdir(fleet.parent / "other")

    (host,) = load_fleet(fleet / "inventories/lab.py")
    assert fleet_folder.here(host.settings.driver.key_file or "").read_text() == "ours"
    said = [one.password.read() for one in host.settings.images.registries if one.password]
    assert said == ["ours", "ours"]
    assert host.data["ssh_known_hosts_file"] == str(fleet / "keys/known_hosts")
