"""What is interrupted ends in a clear message and an unharmed host, and the next run mends it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.harness import Lab
from tests.lab.story import Story

HOST = "gpu03"


@pytest.fixture(scope="module")
def story(bare_lab: Lab) -> Iterator[Story]:
    """A third server, which is bare and then deployed."""
    bare_lab.lab("new", HOST, "--os", "debian13", "--gpus", "rtx4090:1", "--login", "key")
    bare_lab.lab("snapshot", "third", HOST)
    before = bare_lab.lock_file.read_text()
    bare_lab.lock("--limit", HOST)
    yield Story(
        {
            "bare": lambda: bare_lab.lab("restore", "third", HOST),
            "deployed": lambda: _killed_and_finished(bare_lab),
        }
    )
    bare_lab.lab("remove", HOST)
    bare_lab.lab("snapshots", "--forget", "third")
    bare_lab.lock_file.write_text(before)


@pytest.fixture
def third(bare_lab: Lab, story: Story) -> Lab:
    """The lab, whose third server is bare."""
    story.at("bare")
    return bare_lab


def packages(lab: Lab) -> str:
    return lab.ssh(HOST, "dpkg -l | grep nvidia | grep -v pinning || true").stdout


def test_a_mirror_that_dies_in_the_middle_of_a_download(third: Lab) -> None:
    before = packages(third)
    # Of the lab whose mirror this one may share with others.
    faults = Path(third.state["mirror"]["key_file"]).parents[1] / "faults.json"
    fault = {"truncate": 1000, "client": third.state["hosts"][HOST]["address"]}
    faults.write_text(json.dumps({"*/nvidia-kernel-open-dkms*.deb": fault}))
    try:
        done = third.deploy("--limit", HOST, check=False)
    finally:
        faults.unlink()
    assert done.rc != 0
    assert f"[{HOST}]" in done.text
    assert "nvidia-kernel-open-dkms" in done.text, "the message names what could not be had"
    assert packages(third) == before
    assert third.ssh(HOST, "dpkg --audit").stdout == ""


def test_a_package_that_fails_to_configure(third: Lab) -> None:
    """A file where DKMS wants a folder: the module can't be installed."""
    third.ssh(HOST, "touch /lib/modules/$(uname -r)/updates")
    try:
        done = third.deploy("--limit", HOST, check=False)
    finally:
        third.ssh(HOST, "rm /lib/modules/$(uname -r)/updates")
    assert done.rc != 0
    assert f"[{HOST}]" in done.text
    assert "dkms" in done.text, "the message names the package"


def _killed_and_finished(third: Lab) -> None:

    def apt_runs() -> bool:
        return third.ssh(HOST, "pgrep -x dpkg", check=False).rc == 0

    def reboots() -> bool:
        return third.ssh(HOST, "true", check=False).rc != 0

    def image_is_pulled() -> bool:
        return third.ssh(HOST, "pgrep -f 'docker.* pull '", check=False).rc == 0

    for moment in (reboots, apt_runs, image_is_pulled):
        third.kill_deploy_when(moment, "--limit", HOST)
    third.deploy("--limit", HOST)


def test_killed_in_the_middle_of_each_kind_of_work(bare_lab: Lab, story: Story) -> None:
    """Killed three times, and finished by the fourth run."""
    third = bare_lab
    story.at("deployed")
    assert third.deploy("--limit", HOST).changed(HOST) == []
    done = third.state_tests("--limit", HOST)
    assert done.rc == 0, done.output
