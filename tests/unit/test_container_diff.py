"""A container that differs from its specification is seen, whoever changed it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.workload_cases import INSPECT, container, declared
from torchrack.workloads.diff import differences, owner

Edit = Callable[[dict[str, Any]], object]


def test_the_recorded_container_is_as_declared() -> None:
    wanted = declared()
    assert differences(wanted.spec, container(wanted)) == []
    assert owner(container(wanted)) == "notebook"


def host(**values: Any) -> Edit:
    return lambda made: made["HostConfig"].update(values)


def config(**values: Any) -> Edit:
    return lambda made: made["Config"].update(values)


@pytest.mark.parametrize(
    ("edit", "what", "update"),
    [
        (host(Memory=2**30), "memory", ("--memory", "2147483648", "--memory-swap", "2147483648")),
        (host(NanoCpus=5 * 10**8), "cpus", ("--cpus", "1")),
        (host(PidsLimit=None), "pids", ("--pids-limit", "4096")),
        (host(RestartPolicy={"Name": "always"}), "restart policy", ("--restart", "no")),
        (host(CpusetCpus="0"), "cpuset", ()),
        (host(ShmSize=67108864), "shm size", ()),
        (host(Privileged=True), "privileged", ()),
        (host(CapDrop=None), "dropped capabilities", ()),
        (host(CapAdd=["CAP_SYS_ADMIN"]), "kept capabilities", ()),
        (host(SecurityOpt=["seccomp=unconfined", "no-new-privileges"]), "security options", ()),
        (host(Ulimits=[]), "ulimits", ()),
        (host(DeviceRequests=None), "devices", ()),
        (
            host(PortBindings={"8888/tcp": [{"HostIp": "", "HostPort": "8888"}]}),
            "ports",
            (),
        ),
        (config(Image="registry.example:5000/torchrack/pytorch@sha256:00"), "image", ()),
        (config(User="0:0"), "user", ()),
        (config(Cmd=["sh"]), "command", ()),
        (lambda made: made["Mounts"].pop(), "mounts", ()),
        (lambda made: made["Mounts"][1].update(RW=True), "mounts", ()),
        (
            lambda made: made["NetworkSettings"]["Networks"].update(bridge={}),
            "networks",
            (),
        ),
        (
            lambda made: made["Config"]["Labels"].update({"io.torchrack.spec": "0"}),
            "specification",
            (),
        ),
    ],
)
def test_each_change_is_seen(edit: Edit, what: str, update: tuple[str, ...]) -> None:
    wanted = declared()
    made = container(wanted)
    edit(made)
    assert [(d.what, d.update) for d in differences(wanted.spec, made)] == [(what, update)]


def test_no_swap_accounting_is_no_difference() -> None:
    wanted = declared()
    made = container(wanted)
    made["HostConfig"]["MemorySwap"] = -1
    assert differences(wanted.spec, made) == []


def test_what_the_image_brings_is_no_difference() -> None:
    wanted = declared()
    made = container(wanted)
    made["Config"]["Env"].append("NEW=1")
    made["HostConfig"]["Ulimits"].append({"Name": "core", "Hard": 0, "Soft": 0})
    made["Mounts"].append(
        {"Type": "volume", "Name": "a1b2", "Source": "/x", "Destination": "/cache", "RW": True}
    )
    assert differences(wanted.spec, made) == []


def test_a_difference_reads_as_a_sentence() -> None:
    wanted = declared()
    made = container(wanted)
    made["HostConfig"]["PidsLimit"] = 10
    assert [str(d) for d in differences(wanted.spec, made)] == ["pids is 10, declared is 4096"]


def test_without_labels_it_is_not_ours() -> None:
    assert owner(INSPECT | {"Config": {"Labels": None}}) is None
