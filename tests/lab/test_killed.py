"""A run that is killed in the middle is mended by the next one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.harness import Lab

HOST = "gpu03"


@pytest.fixture(scope="module")
def third(bare_lab: Lab) -> Iterator[Lab]:
    """A third, bare server."""
    bare_lab.lab("new", HOST, "--os", "debian13", "--gpus", "rtx4090:1", "--login", "key")
    yield bare_lab
    bare_lab.lab("remove", HOST)


def test_killed_in_the_middle_of_each_kind_of_work(third: Lab) -> None:
    """One bare host, killed three times, and finished by the fourth run."""

    def apt_runs() -> bool:
        return third.ssh(HOST, "pgrep -x dpkg", check=False).rc == 0

    def reboots() -> bool:
        return third.ssh(HOST, "true", check=False, timeout=20).rc == 255

    def image_is_pulled() -> bool:
        return third.ssh(HOST, "pgrep -f 'docker.* pull '", check=False).rc == 0

    for moment in (apt_runs, reboots, image_is_pulled):
        third.kill_deploy_when(moment, "--limit", HOST)
    third.deploy("--limit", HOST)
    assert third.deploy("--limit", HOST).changed(HOST) == []
    done = third.state_tests("--limit", HOST)
    assert done.rc == 0, done.output
