"""A workload asks for GPUs, CPUs or memory that its host does not have.

Docker refuses more CPUs than there are only when the container is created, takes any amount of
memory, and a GPU is missed only when the container starts. By then the old container is stopped.

Reference: https://github.com/moby/moby/issues/40303
Kind: what can be known before the first change is found in the middle of a run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.test_preflight_checks import FACTS, SETTINGS, with_gpus
from tests.unit.test_preflight_facts import with_section
from torchrack.preflight.checks import capacity
from torchrack.preflight.subject import Subject
from torchrack.settings import Workload, Workloads
from torchrack.settings.model import merge

TWO = with_gpus("2335", "2335")
UUIDS = frozenset({"GPU-aaaa", "GPU-bbbb", "MIG-cccc"})


def found(check: Any, wanted: dict[str, Any], **facts: Any) -> list[str]:
    workload = Workload(name="ann", kind="container", image="pytorch", **wanted)
    settings = merge([SETTINGS, {"workloads": Workloads(containers=[workload])}])
    subject = Subject("gpu01", replace(FACTS, **facts), settings, 1000.0, 1001.0)
    return [f"{problem.what}: {problem.found}; {problem.needed}" for problem in check(subject)]


@pytest.mark.parametrize(
    ("gpus", "missing"),
    [
        ("all", []),
        ("none", []),
        (["0", "1"], []),
        (["1:3"], []),
        (["7"], ["7"]),
        (["2", "0", "3:0"], ["2", "3:0"]),
        (["GPU-bbbb", "MIG-cccc"], []),
        (["GPU-dddd"], ["GPU-dddd"]),
        (["MIG-dddd"], ["MIG-dddd"]),
    ],
)
def test_gpus(gpus: Any, missing: list[str]) -> None:
    problems = found(capacity.gpus, {"gpus": gpus}, survey=TWO, gpu_uuids=UUIDS)
    assert [one.split(",")[0] for one in problems] == [
        f"workload ann: gpus: GPU {m}" for m in missing
    ]
    assert all("GPUs of this host: " in one for one in problems)


@pytest.mark.parametrize("uuids", [frozenset(), frozenset({"GPU-bbbb"})])
def test_a_gpu_that_does_not_answer_is_not_missing(uuids: frozenset[str]) -> None:
    assert found(capacity.gpus, {"gpus": ["GPU-aaaa"]}, survey=TWO, gpu_uuids=uuids) == []


@pytest.mark.parametrize(
    ("wanted", "online", "problems"),
    [
        ({"cpus": 4}, range(4), []),
        ({"cpus": 64}, range(2), ["cpus: 64; at most 2, as many as this host has"]),
        ({"cpus": 64}, (), []),
        ({"cpus": 2, "cpuset": "2-3"}, range(4), []),
        (
            {"cpus": 1, "cpuset": "0,6-9"},
            (*range(8), 16),
            ["cpuset: CPU 8 in '0,6-9'; CPUs that this host has online, from 0 to 16"],
        ),
    ],
)
def test_cpus(wanted: dict[str, Any], online: Any, problems: list[str]) -> None:
    expected = [f"workload ann: {problem}" for problem in problems]
    assert found(capacity.cpus, wanted, cpus=frozenset(online)) == expected


@pytest.mark.parametrize(
    ("memory", "there", "refused"),
    [
        ("900GiB", 23 * 2**30, True),
        ("64GiB", 67_300_000_000, False),  # a server with 64 GiB shows a little less
        ("64GiB", 0, False),
    ],
)
def test_memory(memory: str, there: int, refused: bool) -> None:
    assert bool(found(capacity.memory, {"memory": memory}, memory=there)) == refused


def test_what_the_host_says() -> None:
    names = ("==gpu-names", "UUID: GPU-aaaa", "UUID: MIG-cccc")
    facts = with_section("disk", "/usr\t1\t/", "==cpus", "0-1,4", "==memory", "24576", *names)
    assert (facts.cpus, facts.memory) == ({0, 1, 4}, 24576)
    assert facts.gpu_uuids == {"GPU-aaaa", "MIG-cccc"}
