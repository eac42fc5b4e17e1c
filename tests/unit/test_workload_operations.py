"""What the operations on workloads run, given what was found."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.plan import Plan
from tests.unit.workload_cases import (
    NOTEBOOK,
    REFERENCE,
    container,
    declared,
    found,
    unit_template,
)
from torchrack.docker.client import ENGINE
from torchrack.facts.containers import Found, Volume
from torchrack.operations import containers, files
from torchrack.settings import Workload
from torchrack.workloads import commands

CATALOG = {"pytorch": REFERENCE}


@pytest.fixture
def run(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``run(workload, found)``: the commands of the whole stage for one declared workload."""
    monkeypatch.setattr(files, "gather", lambda fact, paths: dict.fromkeys(paths))

    def stage(there: Found, *workloads: Workload) -> tuple[list[str], list[str]]:
        cache: dict[object, Found] = {}
        monkeypatch.setattr(containers, "_found", cache)
        monkeypatch.setattr(containers, "current_host", lambda: "host")
        removed = plan(containers.only_declared, there, workloads=list(workloads), images=CATALOG)
        made = [
            command
            for workload in workloads
            for command in plan(
                containers.workload,
                there,
                workload=workload,
                reference=REFERENCE,
                unit_template=unit_template,
                gpu_timeout=60,
            )
        ]
        return removed, made

    return stage


def test_nothing_where_all_is_as_declared(run: Any) -> None:
    wanted = declared()
    assert run(found(wanted), wanted.workload) == ([], [])


def test_a_bare_host_gets_everything_in_order(run: Any) -> None:
    removed, made = run(Found(), declared().workload)
    assert removed == []
    text = "\n".join(made)
    steps = [
        "install -d -o 1000 -g 1000 -m 500 /etc/torchrack/workloads/notebook",
        "/dev/urandom",
        "docker network create --label io.torchrack.workload=notebook torchrack-notebook",
        "docker volume create --label io.torchrack.workload=notebook notebook-home",
        "docker create --name notebook.next",
        "systemd-run --quiet --collect --wait --unit=torchrack-replace@notebook.service",
    ]
    places = [text.find(step) for step in steps]
    assert -1 not in places, steps[places.index(-1)]
    assert places == sorted(places)


def test_the_old_container_stays_until_the_new_one_was_created(run: Any) -> None:
    _, (created, swapped) = run(found(declared()), Workload(**NOTEBOOK | {"memory": "3GiB"}))
    assert "docker create" in created
    assert "systemctl" not in created, "what runs keeps running"
    assert "docker rm -v" not in created + swapped
    assert "docker volume" not in created + swapped


def test_gpus_are_looked_for_while_the_old_container_runs(run: Any) -> None:
    _, (created, _) = run(found(declared()), Workload(**NOTEBOOK | {"gpus": ["7"]}))
    probe = "/usr/local/lib/torchrack/workload probe 60 nvidia.com/gpu=7 || untouched"
    assert created.index(probe) < created.index("docker create")


def test_a_replacement_that_an_interrupted_run_left_at_work_is_waited_for(run: Any) -> None:
    wanted = declared()
    removed, made = run(found(wanted, replacing=frozenset({"notebook"})), wanted.workload)
    (waited,) = removed
    assert waited.startswith("for unit in torchrack-replace@notebook.service; do")
    assert made == []


def test_limits_are_set_back_in_place(run: Any) -> None:
    wanted = declared()
    made = container(wanted)
    made["HostConfig"]["PidsLimit"] = 7
    _, commands = run(found(wanted, containers={"notebook": made}), wanted.workload)
    assert commands == [f"{ENGINE}\ndocker update --pids-limit 4096 notebook >/dev/null"]


def test_a_start_that_fails_ends_with_its_reason(tmp_path: Path) -> None:
    """A summary shows the last lines, and systemd's own come after the reason."""
    said = (
        "workload train: docker start failed: listen tcp4 0.0.0.0:80: address already in use\n"
        "a last line of its log\nunit: Control process exited\nunit: Failed\nFailed to start\n"
    )
    for name, text in (("systemctl", "exit 1"), ("journalctl", f"cat <<'END'\n{said}END")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", commands.start_unit("train", "restart")],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    last = done.stderr.splitlines()[-2]
    assert last.endswith("docker start failed: listen tcp4 0.0.0.0:80: address already in use")


@pytest.mark.parametrize(("used", "killed"), [(2**31, False), (2**31 + 4096, True), (None, False)])
def test_a_limit_below_what_processes_have_is_refused(
    tmp_path: Path, used: int | None, killed: bool
) -> None:
    """The kernel kills where a limit falls below memory that can't be given back."""
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\n[ $1 = update ] && echo $* >>{tmp_path}/updated || echo 4711\n")
    docker.chmod(0o755)
    if used is not None:
        (tmp_path / "proc/4711").mkdir(parents=True)
        (tmp_path / "proc/4711/cgroup").write_text("0::/docker-1.scope\n")
        (tmp_path / "sys/docker-1.scope").mkdir(parents=True)
        stat = f"anon {used - 4096}\nfile 99999999999\nshmem 4096\n"
        (tmp_path / "sys/docker-1.scope/memory.stat").write_text(stat)
    script = commands.update_limits("notebook", ("--memory", str(2**31)))
    script = script.replace("/proc/", f"{tmp_path}/proc/").replace(
        "/sys/fs/cgroup", f"{tmp_path}/sys"
    )
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == int(killed), done.stderr
    assert (tmp_path / "updated").exists() != killed
    assert ("they would be killed" in done.stderr) == killed


def test_what_is_no_longer_declared_goes_and_its_data_stays(run: Any) -> None:
    removed, _ = run(found(declared()))
    (script,) = removed
    assert "systemctl disable --now torchrack-notebook.service" in script
    assert "docker network rm torchrack-notebook" in script
    assert "rm -rf -- /etc/torchrack/workloads/notebook" in script
    assert "docker volume" not in script


def test_a_container_left_by_a_killed_run_goes(run: Any) -> None:
    wanted = declared()
    left = container(wanted) | {"Name": "/notebook.next", "Id": "left"}
    there = found(wanted, containers={"notebook": container(wanted), "notebook.next": left})
    removed, made = run(there, wanted.workload)
    assert (removed, made) == ([f"{ENGINE}\ndocker rm -f left >/dev/null"], [])


def test_what_a_power_cut_left_is_kept_while_the_workload_has_no_container(run: Any) -> None:
    wanted = declared()
    left = container(wanted) | {"Name": "/notebook.previous", "Id": "old"}
    there = found(wanted, containers={"notebook.previous": left})
    removed, (created, _) = run(there, wanted.workload)
    assert removed == []
    assert 'docker rename "$previous" notebook' in created


def test_a_container_that_is_not_ours_stops_the_stage(run: Any) -> None:
    wanted = declared()
    foreign = container(wanted)
    foreign["Config"]["Labels"] = None
    removed, _ = run(found(wanted, containers={"notebook": foreign}), wanted.workload)
    assert len(removed) == 1
    assert "a container of that name that Torchrack has not made" in removed[0]
    assert removed[0].startswith("false")


def test_an_odd_label_is_never_part_of_a_path(run: Any) -> None:
    there = Found(networks={"x": "../../etc"})
    removed, _ = run(there)
    assert len(removed) == 1
    assert removed[0].startswith("false")
    assert "'../../etc'" in removed[0]


def test_a_volume_with_data_is_never_touched(run: Any) -> None:
    wanted = declared()
    full = Volume("notebook", "0:0", False, "/v")
    assert run(found(wanted, volumes={"notebook-home": full}), wanted.workload) == ([], [])
