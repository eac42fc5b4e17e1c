"""The stages run on each host; what goes wrong on one stops that one alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all
from pyinfra.context import ctx_host, ctx_inventory, ctx_state

from torchrack.errors import ProblemsError, TorchrackError
from torchrack.run import run


@pytest.fixture
def fleet() -> Iterator[State]:
    inventory = Inventory((["@fake/good", "@fake/bad"], {}))
    state = State(inventory, Config())
    with ctx_state.use(state), ctx_inventory.use(inventory):
        connect_all(state)
        yield state


def stage(name: str, act: Callable[[], object]) -> Callable[[], object]:
    def deploy() -> None:
        act()

    deploy.__module__ = f"tasks.{name}"
    return deploy


def names(hosts: object) -> list[str]:
    return sorted(host.name for host in hosts)  # type: ignore[attr-defined] # a set of hosts


def test_an_error_on_one_host_leaves_the_others(
    fleet: State, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []

    def fail_on_bad() -> None:
        if ctx_host.get().name == "@fake/bad":
            raise KeyError("driver")

    for host in list(fleet.inventory):
        with ctx_host.use(host):
            run(
                stage("base", fail_on_bad),
                stage("docker", lambda: ran.append(ctx_host.get().name)),
            )

    assert ran == ["@fake/good"]
    assert names(fleet.failed_hosts) == ["@fake/bad"]
    message = " ".join(capsys.readouterr().err.split())
    assert "@fake/bad: Stage base: found KeyError: 'driver'" in message
    assert "Traceback" not in message


def test_preflight_stops_all(fleet: State) -> None:
    def refuse() -> None:
        raise ProblemsError("2 problems", [])

    with ctx_host.use(next(iter(fleet.inventory))), pytest.raises(ProblemsError):
        run(stage("preflight", refuse))


def test_only_some_stages_after_preflight(fleet: State) -> None:
    ran: list[str] = []
    fleet.inventory.override_data["only"] = "docker,images"
    stages = [
        stage(name, lambda name=name: ran.append(name))  # type: ignore[misc] # binds the loop's name
        for name in ("preflight", "base", "docker", "images")
    ]
    with ctx_host.use(next(iter(fleet.inventory))):
        run(*stages)
    assert ran == ["preflight", "docker", "images"]


def test_only_a_stage_that_exists(fleet: State) -> None:
    fleet.inventory.override_data["only"] = "dokcer"
    with (
        ctx_host.use(next(iter(fleet.inventory))),
        pytest.raises(TorchrackError, match="no such stage; the stages are docker"),
    ):
        run(stage("docker", lambda: None))
