"""What has to change on a host for a workload to be as declared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.workload_cases import (
    JOB,
    NOTEBOOK,
    STARTED,
    TOKEN_PATH,
    container,
    declared,
    found,
)
from torchrack.facts.containers import Found, Path, Unit, Volume
from torchrack.settings import Mount
from torchrack.workloads.plan import foreign_objects, plan


def test_nothing_to_do_where_all_is_as_declared() -> None:
    wanted = declared()
    assert not plan(wanted, found(wanted)).changes


def test_everything_on_a_bare_host() -> None:
    todo = plan(declared(), Found())
    assert (todo.container, todo.start) == ("replace", "start")
    assert todo.new_volumes == ("notebook-home",)
    assert all((todo.own_file, todo.network, todo.unit_file, todo.reload, todo.enable))
    assert todo.reasons == ("there is no such container",)


def test_a_changed_specification_replaces_the_container() -> None:
    old, new = declared(), declared(NOTEBOOK, memory="3GiB")
    todo = plan(new, found(old))
    assert (todo.container, todo.start, todo.update) == ("replace", "start", ())
    assert (todo.new_volumes, todo.network, todo.own_file) == ((), False, False)


def test_limits_changed_by_hand_are_set_back_in_place() -> None:
    wanted = declared()
    made = container(wanted)
    made["HostConfig"] |= {"Memory": 2**30, "MemorySwap": 2**30, "PidsLimit": 5}
    todo = plan(wanted, found(wanted, containers={"notebook": made}))
    assert (todo.container, todo.start) == ("update", "no")
    assert todo.update == (
        *("--memory", "2147483648", "--memory-swap", "2147483648"),
        *("--pids-limit", "4096"),
    )


@pytest.mark.parametrize(
    ("unit", "state", "start"),
    [
        (Unit("loaded", "active", "enabled", False), {}, "no"),
        (Unit("loaded", "inactive", "enabled", False), {"Status": "exited"}, "start"),
        (Unit("loaded", "failed", "enabled", False), {"Status": "exited"}, "start"),
        (Unit("loaded", "activating", "enabled", False), {}, "start"),
        (Unit("loaded", "active", "enabled", False), {"Status": "paused"}, "restart"),
        (
            Unit("loaded", "active", "enabled", False),
            {"Health": {"Status": "unhealthy"}},
            "restart",
        ),
    ],
)
def test_the_unit_runs(unit: Unit, state: dict[str, Any], start: str) -> None:
    wanted = declared()
    there = found(
        wanted, units={"notebook": unit}, containers={"notebook": container(wanted, **state)}
    )
    todo = plan(wanted, there)
    assert (todo.container, todo.start) == ("keep", start)


def test_a_new_unit_file_needs_a_reload_and_no_restart() -> None:
    wanted = declared()
    there = found(wanted)
    path = "/etc/systemd/system/torchrack-notebook.service"
    there.paths[path] = replace(there.paths[path], sha256="0" * 64)
    todo = plan(wanted, there)
    assert (todo.unit_file, todo.reload, todo.start, todo.container) == (True, True, "no", "keep")


def test_a_forgotten_daemon_reload_is_made_up_for() -> None:
    wanted = declared()
    there = found(wanted, units={"notebook": Unit("loaded", "active", "enabled", True)})
    todo = plan(wanted, there)
    assert (todo.unit_file, todo.reload, todo.start) == (False, True, "no")


def test_a_disabled_unit_is_enabled() -> None:
    wanted = declared()
    there = found(wanted, units={"notebook": Unit("loaded", "active", "disabled", False)})
    assert plan(wanted, there).enable


def token(**changes: Any) -> Path:
    return replace(Path("400", "1000:1000", STARTED - 9, 65, "0" * 64), **changes)


@pytest.mark.parametrize(
    ("path", "own_file", "start"),
    [
        (token(), False, "no"),
        (token(changed=STARTED + 1), False, "restart"),
        (token(mode="444"), True, "restart"),
        (token(owner="0:0"), True, "restart"),
        (token(size=3), True, "restart"),
    ],
)
def test_the_token_is_private_and_older_than_its_process(
    path: Path, own_file: bool, start: str
) -> None:
    wanted = declared()
    there = found(wanted)
    there.paths[TOKEN_PATH] = path
    todo = plan(wanted, there)
    assert (todo.own_file, todo.start, todo.container) == (own_file, start, "keep")


@pytest.mark.parametrize(
    ("volume", "chown"),
    [
        (Volume("notebook", "0:0", True, "/v"), ("/v",)),
        (Volume("notebook", "0:0", False, "/v"), ()),
        (Volume("", "0:0", True, "/v"), ()),
        (Volume("notebook", "1000:1000", True, "/v"), ()),
    ],
)
def test_only_an_empty_volume_of_ours_changes_hands(volume: Volume, chown: tuple[str]) -> None:
    wanted = declared()
    todo = plan(wanted, found(wanted, volumes={"notebook-home": volume}))
    assert (todo.chown_volumes, todo.new_volumes) == (chown, ())


def test_an_existing_directory_is_left_as_it_is() -> None:
    wanted = declared(NOTEBOOK, mounts=[Mount(source="/srv/d", target="/d")])
    there = found(wanted)
    assert plan(wanted, there).new_binds == ("/srv/d",)
    there.paths["/srv/d"] = Path("700", "0:0", 1.0, 4096, "")
    assert plan(wanted, there).new_binds == ()


@pytest.mark.parametrize(
    ("completed", "restart", "start"),
    [("same", "on-failure", "no"), ("other", "on-failure", "start"), ("same", "always", "start")],
)
def test_a_job_that_is_done_stays_done(completed: str, restart: str, start: str) -> None:
    wanted = declared(JOB, restart=restart)
    made = container(wanted, Status="exited")
    there = found(
        wanted,
        containers={"notebook": made},
        units={"notebook": Unit("loaded", "inactive", "enabled", False)},
        completed={"notebook": made["Id"] if completed == "same" else "0" * 64},
    )
    assert plan(wanted, there).start == start


def test_a_done_job_with_a_new_specification_runs_again() -> None:
    old, new = declared(JOB), declared(JOB, command=["train", "--epochs", "9"])
    there = found(old, completed={"notebook": container(old)["Id"]})
    todo = plan(new, there)
    assert (todo.container, todo.start) == ("replace", "start")


def unlabelled() -> dict[str, Any]:
    made = container(declared())
    made["Config"]["Labels"] = {}
    return made


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, []),
        ({"containers": {"notebook": unlabelled()}}, ["container notebook"]),
        ({"networks": {"torchrack-notebook": ""}}, ["network torchrack-notebook"]),
        ({"unit_files": frozenset()}, ["systemd unit torchrack-notebook.service"]),
    ],
)
def test_what_is_not_ours_is_named(changes: dict[str, Any], kinds: list[str]) -> None:
    problems = foreign_objects("gpu01", "notebook", found(declared(), **changes))
    assert [problem.what.removeprefix("Workload notebook: ") for problem in problems] == kinds
    assert all("left alone" in problem.fix and problem.where == "gpu01" for problem in problems)
