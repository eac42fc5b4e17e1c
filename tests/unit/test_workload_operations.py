"""What the operations on workloads run, given what was found."""

from __future__ import annotations

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
        "docker rename notebook.next notebook",
        "dest=/etc/systemd/system/torchrack-notebook.service",
        "systemctl daemon-reload",
        "systemctl enable --quiet torchrack-notebook.service",
        "systemctl start torchrack-notebook.service",
    ]
    places = [text.find(step) for step in steps]
    assert -1 not in places, steps[places.index(-1)]
    assert places == sorted(places)


def test_the_old_container_goes_only_after_the_new_one_was_created(run: Any) -> None:
    _, made = run(found(declared()), Workload(**NOTEBOOK | {"memory": "3GiB"}))
    script = made[0]
    assert script.index("docker create") < script.index("systemctl stop")
    assert script.index("systemctl stop") < script.index("docker rename")
    assert "docker rm -v" not in script
    assert "docker volume" not in "\n".join(made)


def test_limits_are_set_back_in_place(run: Any) -> None:
    wanted = declared()
    made = container(wanted)
    made["HostConfig"]["PidsLimit"] = 7
    _, commands = run(found(wanted, containers={"notebook": made}), wanted.workload)
    assert commands == [f"{ENGINE}\ndocker update --pids-limit 4096 notebook >/dev/null"]


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
