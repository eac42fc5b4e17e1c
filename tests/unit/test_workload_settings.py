"""Workloads that can't run, or that would listen to the world unasked, are refused."""

from __future__ import annotations

from typing import Any

import pytest

from torchrack.errors import Problem
from torchrack.settings import Mount, Port, Workload, Workloads, env
from torchrack.settings.section import SettingsError, collecting

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIImJQO6ZbMLeSP8GaHqaFl3F4MJaKWvBkDZTsGfwr+FM me"
JUPYTER: dict[str, Any] = {
    "name": "notebook",
    "kind": "jupyter",
    "image": "pytorch",
    "ports": [Port(container=8888, host=8888)],
}
SSH: dict[str, Any] = JUPYTER | {
    "kind": "ssh",
    "ports": [Port(container=2222, host=2222)],
    "authorized_keys": [KEY],
}
JOB: dict[str, Any] = {"name": "train", "kind": "container", "image": "pytorch"}


@pytest.mark.parametrize("fields", [JUPYTER, SSH, JOB])
def test_plain_workloads_are_accepted(fields: dict[str, Any]) -> None:
    assert Workload(**fields).user == "1000:1000"


@pytest.mark.parametrize(
    ("fields", "needed"),
    [
        (JUPYTER | {"ports": []}, "a port with container=8888"),
        (JUPYTER | {"command": ["x"]}, "no command: kind jupyter has its own"),
        (JUPYTER | {"user": "0:0"}, "a user other than root"),
        (JUPYTER | {"authorized_keys": [KEY]}, "no authorized_keys"),
        (SSH | {"authorized_keys": []}, "authorized_keys with at least one"),
        (SSH | {"authorized_keys": ["no key"]}, "should match pattern"),
        (SSH | {"token": env("TOKEN")}, "no token: kind ssh"),
        (
            JOB | {"environment": {"WANDB_API_KEY": "x"}},
            r"no secret in environment \(WANDB_API_KEY",
        ),
        (JOB | {"environment": {"A-B": "x"}}, "a variable's name in place of 'A-B'"),
        (JOB | {"gpus": ["0", "x"]}, "should match pattern"),
        (JOB | {"capabilities": ["ALL"]}, "should match pattern"),
        (JOB | {"cpuset": "0-"}, "should match pattern"),
        (JOB | {"memory": "2 gigs"}, "a number and a unit"),
        (JOB | {"name": "Train"}, "should match pattern"),
        (
            JOB | {"mounts": [Mount(source="a1", target="/d"), Mount(source="b1", target="/d/")]},
            "one mount on /d",
        ),
        (
            JOB | {"mounts": [Mount(source="a1", target="/run/torchrack/secrets")]},
            "no mount on /run/torchrack/secrets",
        ),
    ],
)
def test_unfit_workloads_are_refused(fields: dict[str, Any], needed: str) -> None:
    with pytest.raises(SettingsError, match=needed):
        Workload(**fields)


def test_names_that_only_look_like_secrets_are_accepted() -> None:
    Workload(**JOB, environment={"TOKENIZERS_PARALLELISM": "false", "SECRET_SANTA": "yes"})


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])  # noqa: S104
def test_listening_to_the_world_is_said_twice(address: str) -> None:
    with pytest.raises(SettingsError, match="public=True"):
        Port(container=80, host=80, address=address)
    assert Port(container=80, host=80, address=address, public=True).public


@pytest.mark.parametrize("address", ["localhost", "10.0.0", ""])
def test_ports_want_an_address(address: str) -> None:
    with pytest.raises(SettingsError, match="an IP address"):
        Port(container=80, host=80, address=address)


@pytest.mark.parametrize(
    "source",
    [
        *("/", "/etc", "/etc/ssh", "/var/run/docker.sock", "/run/docker.sock", "/dev"),
        *("/usr/lib/x", "/srv/../etc", "/srv/a,b", "/var/lib/docker/volumes/x", "/root/.ssh"),
        *("x", "a/b"),
    ],
)
def test_harmful_mounts_are_refused(source: str) -> None:
    with pytest.raises(SettingsError):
        Mount(source=source, target="/data")


@pytest.mark.parametrize("source", ["/srv/data", "/data", "/home/ann/sets", "home_1", "/devices"])
def test_harmless_mounts_are_accepted(source: str) -> None:
    assert Mount(source=source, target="/data").is_bind == source.startswith("/")


def test_a_wrong_part_tells_its_own_problem_alone() -> None:
    problems: list[Problem] = []
    with collecting(problems):
        Workloads(
            containers=[Workload(**JUPYTER | {"ports": [Port(container=0, host=1)]})],
        )
    assert [problem.what for problem in problems] == ["Port.container"]


@pytest.mark.parametrize(
    ("kind", "restart", "is_job"),
    [("container", "on-failure", True), ("container", "always", False), ("jupyter", "no", False)],
)
def test_a_job_may_end(kind: str, restart: str, is_job: bool) -> None:
    fields = JUPYTER if kind == "jupyter" else JOB
    assert Workload(**fields, restart=restart).is_job is is_job
