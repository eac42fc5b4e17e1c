"""The lock: made without touching a host, obeyed by deploys, moved one part at a time."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.lab.harness import Deploy, Done, Lab

HOSTS = ("gpu01", "gpu02")
DRIVER = (
    "from torchrack.settings import Driver\n"
    "for _, data in lab_hosts:\n"
    "    old = data['driver']\n"
    "    data['driver'] = Driver(version={version!r}, repository=old.repository,\n"
    "        key_file=old.key_file, key_fingerprint=old.key_fingerprint)\n"
)


def footprint(lab: Lab, host: str) -> str:
    """All that apt and /etc hold on a host, names and times included."""
    places = "/etc /usr/local /var/lib/apt /var/lib/dpkg /var/cache/apt /run/torchrack* /tmp"
    # Blocks change when they are written to the disk; apt renews its cache by itself.
    script = (
        f"ls -AlR --time-style=full-iso {places} 2>/dev/null | grep -vE '^total |pkgcache.bin$'"
    )
    return lab.ssh(host, script).stdout


def loaded(lab: Lab, host: str) -> str:
    return lab.ssh(host, "nvidia-smi --query-gpu=driver_version --format=csv,noheader").stdout


def stopped(done: Done, *sentences: str) -> None:
    """The run ended before the first operation, and said why and what to do."""
    assert done.rc != 0, done.output
    for sentence in (*sentences, "torchrack lock", "nothing was changed"):
        assert sentence in done.text, done.output
    assert "Starting operation" not in done.output
    assert "Traceback" not in done.output


def test_locking_leaves_the_hosts_alone(lab: Lab) -> None:
    before = {host: footprint(lab, host) for host in HOSTS}
    lab.lock_file.rename(lab.folder / "kept.yml")
    try:
        done = lab.lock()
        assert lab.lock_file.read_text() == (lab.folder / "kept.yml").read_text()
    finally:
        (lab.folder / "kept.yml").rename(lab.lock_file)
    assert "2: gpu01, gpu02" in done.text
    assert {host: footprint(lab, host) for host in HOSTS} == before


def test_a_current_lock_is_said_to_be_current(lab: Lab) -> None:
    before = lab.lock_file.stat().st_mtime_ns
    assert "nothing changes" in lab.lock("--check").text
    assert "nothing changes" in lab.lock().text
    assert lab.lock_file.stat().st_mtime_ns == before


def test_a_deploy_without_a_lock(lab: Lab, tmp_path: Path) -> None:
    inventory = lab.variant(tmp_path, "")
    (tmp_path / "lab.lock.yml").unlink()
    stopped(lab.deploy(inventory=inventory, check=False), "no such file")


def test_a_deploy_with_a_lock_for_other_settings(lab: Lab, tmp_path: Path) -> None:
    inventory = lab.variant(tmp_path, DRIVER.format(version="590"))
    done = lab.deploy(inventory=inventory, check=False)
    stopped(done, "Lock: driver.version", "made for '580'", "'590'", "gpu01", "gpu02")


@pytest.mark.parametrize(
    ("now", "then", "said"),
    [
        ("10de:2335: 2", "10de:2335: 8", "2 x 10de:2335"),
        ("os: debian13", "os: debian12", "debian13"),
    ],
)
def test_a_deploy_with_a_lock_for_another_machine(
    lab: Lab, tmp_path: Path, now: str, then: str, said: str
) -> None:
    inventory = lab.variant(tmp_path, "")
    file = tmp_path / "lab.lock.yml"
    assert now in file.read_text()
    file.write_text(file.read_text().replace(now, then))
    stopped(lab.deploy(inventory=inventory, check=False), "gpu01", "Lock:", said)


def test_what_can_not_work_is_not_locked(lab: Lab, tmp_path: Path) -> None:
    inventory = lab.variant(tmp_path, DRIVER.format(version="565.57.01"))
    before = (tmp_path / "lab.lock.yml").read_text()
    done = lab.lock(inventory=inventory, check=False)
    assert done.rc == 2, done.output
    assert "gpu01" in done.text
    assert "565.57.01" in done.text
    assert (tmp_path / "lab.lock.yml").read_text() == before


def test_an_image_that_its_registry_does_not_have(lab: Lab, tmp_path: Path) -> None:
    inventory = lab.variant(
        tmp_path,
        "from torchrack.settings import Images\n"
        "for _, data in lab_hosts:\n"
        "    old = data['images']\n"
        "    there = old.catalog['pytorch']\n"
        "    data['images'] = Images(registries=old.registries,\n"
        "        catalog={**old.catalog, 'pytorch': there.rpartition(':')[0] + ':gone'})\n",
    )
    before = (tmp_path / "lab.lock.yml").read_text()
    done = lab.lock("--check", inventory=inventory, check=False)
    assert done.rc == 1, done.output
    assert "MANIFEST_UNKNOWN" in done.text or "404" in done.text, done.output
    assert (tmp_path / "lab.lock.yml").read_text() == before


def test_upgrading_the_driver_moves_all_hosts_with_proven_reboots(lab: Lab, tmp_path: Path) -> None:
    older = lab.variant(tmp_path, DRIVER.format(version="580.105.08"))
    lab.lock(inventory=older)
    _moved(lab, lambda: lab.deploy(inventory=older), "580.105.08")

    shutil.copy(tmp_path / "lab.lock.yml", lab.lock_file)
    assert "nothing changes" in lab.lock().text, "580.105.08 is of the branch 580, so it stays"
    told = lab.lock("--upgrade", "driver").text
    assert "580.105.08 open from cuda-repo (dkms) 580.159.04 open from cuda-repo (dkms)" in told
    assert "needs a reboot of 2 hosts, stops 4 containers" in told
    _moved(lab, lab.deploy, "580.159.04")

    again = lab.deploy()
    assert {host: again.changed(host) for host in HOSTS} == {host: [] for host in HOSTS}


def _moved(lab: Lab, deploy: object, version: str) -> None:
    """A deploy reboots each host once, after which the version is loaded and containers run."""
    assert callable(deploy)
    before = {host: lab.boot_id(host) for host in HOSTS}
    done = deploy()
    assert isinstance(done, Deploy)
    for host in HOSTS:
        assert lab.boot_id(host) != before[host], f"{host} was rebooted"
        assert set(loaded(lab, host).split()) == {version}
        names = lab.ssh(host, "docker ps --format '{{.Names}}'").stdout.split()
        assert "notebook" in names


def test_a_dry_run_shows_apts_plan_and_installs_nothing(lab: Lab, tmp_path: Path) -> None:
    inventory = lab.variant(tmp_path, "")
    file = tmp_path / "lab.lock.yml"
    file.write_text(file.read_text().replace("1.19.1-1", "1.20.0-1"))
    before = {host: lab.ssh(host, "dpkg -l").stdout for host in HOSTS}
    command = lab.deploy_command("--dry", "--data", "only=toolkit", inventory=inventory)
    dry = lab.run(*(argument for argument in command if argument != "-y"))
    for host in HOSTS:
        assert f"[{host}] apt would upgrade 4 (" in dry.text
    assert "nvidia-container-toolkit 1.19.1-1 -> 1.20.0-1" in dry.text
    assert {host: lab.ssh(host, "dpkg -l").stdout for host in HOSTS} == before
