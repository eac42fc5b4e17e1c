"""From settings to the arguments of docker create."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.workload_cases import DIGEST, JOB, KEY, NOTEBOOK, REFERENCE, TINI, declared
from torchrack.errors import TorchrackError
from torchrack.settings import Mount, Port, Workload, file
from torchrack.workloads.workload import (
    by_digest,
    container_spec,
    create_arguments,
    mounts,
    volumes,
)


def arguments(**changes: object) -> str:
    workload = Workload(**NOTEBOOK | changes)
    return " ".join(create_arguments(container_spec(workload, REFERENCE, TINI), "notebook.next"))


def test_notebook_is_confined() -> None:
    line = arguments()
    for part in (
        "--name notebook.next --hostname notebook --pull never --restart no",
        "--network torchrack-notebook --user 1000:1000",
        "--security-opt no-new-privileges --cap-drop ALL",
        "--memory 2147483648 --memory-swap 2147483648 --cpus 1 ",
        "--pids-limit 4096 --shm-size 268435456",
        "--device nvidia.com/gpu=all",
        "--ulimit memlock=8388608:8388608 --ulimit nofile=16384:16384",
        "--mount type=bind,source=/etc/torchrack/workloads/notebook,"
        "target=/run/torchrack/secrets,readonly",
        "--publish 127.0.0.1:8888:8888",
        "--health-cmd torchrack-healthcheck jupyter",
    ):
        assert part in line
    assert line.endswith(f"registry.example:5000/torchrack/pytorch@{DIGEST} torchrack-jupyter")
    for never in ("--privileged", "--gpus", "docker.sock", "--init", "0.0.0.0"):  # noqa: S104
        assert never not in line


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"gpus": ["0", "GPU-5f0b3c10"]}, "--device nvidia.com/gpu=0 --device nvidia.com/gpu=GPU-"),
        ({"memlock": -1}, "--ulimit memlock=-1:-1"),
        ({"cpus": 1.5}, "--cpus 1.5 "),
        ({"cpuset": "0-3,8"}, "--cpuset-cpus 0-3,8"),
        ({"capabilities": ["CHOWN"]}, "--cap-add CHOWN"),
        ({"environment": {"A": "b c"}}, "--env A=b c"),
        (
            {"ports": [Port(container=8888, host=80, address="::1")]},
            "--publish [::1]:80:8888",
        ),
        (
            {"mounts": [Mount(source="/srv/d", target="/d/", read_only=True)]},
            "--mount type=bind,source=/srv/d,target=/d,readonly",
        ),
    ],
)
def test_settings_become_arguments(changes: dict[str, object], part: str) -> None:
    assert part in arguments(**changes)


def test_no_gpus_when_none_are_wanted() -> None:
    assert "nvidia" not in arguments(gpus="none")


@pytest.mark.parametrize(
    ("entrypoint", "init"),
    [(TINI, False), ((), True), (("/bin/sh", "-c"), True), (("/usr/bin/dumb-init",), False)],
)
def test_init_unless_the_image_has_one(entrypoint: tuple[str, ...], init: bool) -> None:
    spec = container_spec(Workload(**JOB), REFERENCE, entrypoint)
    assert ("--init" in create_arguments(spec, "x")) is init


def test_a_job_runs_its_command_without_a_health_check() -> None:
    spec = container_spec(Workload(**JOB), REFERENCE, TINI)
    line = create_arguments(spec, "x")
    assert line[-4:] == [spec.image, "train", "--epochs", "3"]
    assert not [word for word in line if word.startswith("--health")]


def test_ssh_keeps_its_host_keys_in_a_volume() -> None:
    fields = NOTEBOOK | {"kind": "ssh", "name": "shell", "authorized_keys": [KEY]}
    shell = Workload(**fields | {"ports": [Port(container=2222, host=2222)]})
    assert volumes(shell) == ["notebook-home", "torchrack-shell-host-keys"]
    own = Mount(source="my-keys", target="/var/lib/torchrack/ssh")
    shell = Workload(**fields | {"ports": [Port(container=2222, host=2222)], "mounts": [own]})
    assert volumes(shell) == ["my-keys"]
    assert "/run/torchrack/ssh" in {mount.target for mount in mounts(shell)}


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        ("r.io/a/b:1@sha256:12", "r.io/a/b@sha256:12"),
        ("r.io:5000/a/b@sha256:12", "r.io:5000/a/b@sha256:12"),
        ("r.io:5000/a/b:x@sha256:12", "r.io:5000/a/b@sha256:12"),
    ],
)
def test_the_tag_is_left_out(reference: str, wanted: str) -> None:
    assert by_digest(reference) == wanted


def test_every_change_of_the_specification_changes_its_hash() -> None:
    hashes = {
        declared(NOTEBOOK, **change).spec.sha256()
        for change in (
            {},
            {"memory": "3GiB"},
            {"cpus": 2},
            {"environment": {"A": "b"}},
            {"gpus": "none"},
            {"mounts": []},
            {"stop_timeout": 60},
            {"user": "1001:1001"},
        )
    }
    assert len(hashes) == 8


def test_a_token_is_no_part_of_the_specification(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("x" * 40 + "\n")
    secret.chmod(0o600)
    with_token = declared(NOTEBOOK, token=file(str(secret)))
    assert with_token.spec == declared().spec
    assert with_token.own_file is not None
    assert with_token.own_file.content == "x" * 40 + "\n"
    assert "xxxx" not in repr(with_token)


@pytest.mark.parametrize("token", ["short", "with a space in it but long enough 123"])
def test_a_weak_token_is_refused(tmp_path: Path, token: str) -> None:
    secret = tmp_path / "token"
    secret.write_text(token)
    secret.chmod(0o600)
    with pytest.raises(TorchrackError, match="workload notebook: token: found"):
        declared(NOTEBOOK, token=file(str(secret)))
