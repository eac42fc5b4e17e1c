"""Somebody sets a limit of a running container with `docker update`.

Docker's record and the kernel differ from what is declared. The finding about the kernel named a
restart of the unit, which ends what runs and changes nothing: Docker starts the container with its
record. A deploy sets the limit back in the running container.

Reference: https://docs.docker.com/reference/cli/docker/container/update/
Kind: one cause, two findings; a fix that does harm.
"""

from __future__ import annotations

import pytest

from torchrack.drift.model import Finding
from torchrack.drift.probes.containers import without_twins


def finding(name: str) -> Finding:
    return Finding("gpu01", name, "host", "drift", "capacity", name, "2", "1", "command")


@pytest.mark.parametrize("aspect", ["memory", "pids", "cpus"])
def test_the_deploys_finding_alone_is_left(aspect: str) -> None:
    record = f"workloads.container:ann.{aspect}-is-declared-is"
    both = [finding(record), finding(f"host.container:ann.{aspect}")]
    assert [one.id for one in without_twins(both)] == [record]


@pytest.mark.parametrize(
    "other",
    [
        "workloads.container:bob.memory-is-declared-is",
        "workloads.container:ann.cpus-is-declared-is",
        "workloads.container:ann2.memory-is-declared-is",
    ],
)
def test_a_limit_changed_past_docker_is_reported(other: str) -> None:
    both = [finding(other), finding("host.container:ann.memory")]
    assert list(without_twins(both)) == both
