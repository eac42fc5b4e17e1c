"""A run gives hosts different stages, branches of a stage, or rounds of a loop.

pyinfra names an operation by line numbers alone. Two hosts that declare different operations at
the same lines then share a name: the output shows one operation for both, or their orders
contradict each other and the run ends with "Cycle detected in operation ordering DAG", with
nothing done. People meet it with a condition in a loop, and with hosts that have more of something
than others; here `torchrack drift fix` met it with findings of different stages on two hosts.

Reference: https://github.com/pyinfra-dev/pyinfra/issues/859
Kind: the order of operations over hosts that do not all have the same ones.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyinfra
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyinfra.api import Config, Inventory, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_config, ctx_host, ctx_inventory, ctx_state

from tests.unit.test_runner import ran

NAMES = ("base", "sshd", "driver", "docker", "workloads")

STAGE = """
from pyinfra import host
from pyinfra.api import deploy
from pyinfra.operations import server
from torchrack.operations.guard import operation


@operation
def act():
    yield "true"


def helper(name):
    act(name=f"{name} of a helper")


@deploy("STAGE")
def declare():
    plan = host.data.get("plan")
    act(name="First")
    if "branch" in plan:
        act(name="Branch")
    helper("First")
    for round in plan.get("rounds", ()):
        act(name=f"Begin {round}")
        if round % 2:
            server.shell(name=f"Odd {round}", commands="true")
        helper(round)
    if "fail" in plan:
        raise ValueError("no such luck")
    server.shell(name="Last", commands="true")
"""

DEPLOY = f"""
from torchrack.run import run
{"".join(f"import stage_{name}{chr(10)}" for name in NAMES)}
run({", ".join(f"stage_{name}.declare" for name in NAMES)})
"""


@pytest.fixture(scope="module")
def deploy_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("fleet")
    for name in NAMES:
        (folder / f"stage_{name}.py").write_text(STAGE.replace("STAGE", name))
    (folder / "deploy.py").write_text(DEPLOY)
    sys.path.insert(0, str(folder))
    yield str(folder / "deploy.py")
    sys.path.remove(str(folder))


def declared(deploy_file: str, plans: list[dict[str, object]]) -> State:
    """Have each host declare its operations, as pyinfra's command does before it runs any.

    Not by pyinfra_cli itself: importing it replaces the threads of all other tests.
    """
    names = [f"@fake/gpu{number:02}" for number in range(len(plans))]
    hosts = [
        (name, {"plan": plan, "only": ",".join(f"stage_{one}" for one in plan["only"])})  # type: ignore[attr-defined]
        for name, plan in zip(names, plans, strict=True)
    ]
    inventory = Inventory((hosts, {}))
    state, was = State(inventory, Config()), pyinfra.is_cli
    pyinfra.is_cli = True
    state.current_deploy_filename = deploy_file
    state.set_stage(StateStage.Prepare)
    try:
        with ctx_state.use(state), ctx_inventory.use(inventory), ctx_config.use(state.config):
            for host in inventory:
                state.activate_host(host)
                # With its last host pyinfra ends the run; what they declared counts here.
                with ctx_host.use(host), suppress(PyinfraError):
                    runpy.run_path(deploy_file)
    finally:
        pyinfra.is_cli = was
    return state


PLANS = st.lists(
    st.fixed_dictionaries(
        {"only": st.sets(st.sampled_from(NAMES))},
        optional={
            "branch": st.just(True),
            "rounds": st.lists(st.integers(0, 3), max_size=4),
            "fail": st.just(True),
        },
    ),
    min_size=2,
    max_size=5,
)


@settings(
    deadline=None,
    max_examples=60,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(plans=PLANS)
def test_any_stages_of_any_hosts_have_an_order(
    plans: list[dict[str, object]], deploy_file: str
) -> None:
    state = declared(deploy_file, plans)

    order = {one: number for number, one in enumerate(state.get_op_order())}
    for host in state.inventory:
        places = [order[one] for one in host.op_hash_order]
        assert places == sorted(set(places)), "each host's own order"
    stages = [stage_of(state, one) for one in order]
    assert stages == sorted(stages, key=NAMES.index), "stage after stage"
    for one in order:
        kinds = {(name.split(" | ")[0], *what(name)) for name in state.op_meta[one].names}
        assert len(kinds) == 1, "one operation is one line of one stage"


def test_hosts_with_the_same_stages_share_their_operations(deploy_file: str) -> None:
    """They run side by side, also where a branch or a loop is longer on one of them."""
    plans: list[dict[str, object]] = [
        {"only": set(), "rounds": [0, 1]},
        {"only": set(), "rounds": [0, 1, 2], "branch": True},
        {"only": {"docker"}, "rounds": [0]},
    ]
    state = declared(deploy_file, plans)

    one, more, some = (set(host.op_hash_order) for host in state.inventory)
    assert one < more
    assert some < one


def test_the_output_names_what_each_host_did(tmp_path: Path) -> None:
    """Two hosts with workloads of their own, in one loop."""
    acts = """
def both():
    for name in ("ann", "bob") if host.name == "@fake/good" else ("eve", "ann"):
        change(name=f"workloads | Run {name}")
run(stage("workloads", both))
"""
    done = ran(tmp_path, acts)

    assert sorted(done.changes) == [
        ("@fake/bad", "Run ann"),
        ("@fake/bad", "Run eve"),
        ("@fake/good", "Run ann"),
        ("@fake/good", "Run bob"),
    ]
    assert {change["stage"] for change in done.data["changes"]} == {"workloads"}
    assert done.began == ["Run ann, Run eve", "Run ann, Run bob"]


def stage_of(state: State, operation: str) -> str:
    (stage,) = {name.split(" | ")[0] for name in state.op_meta[operation].names}
    return stage


def what(name: str) -> tuple[str, ...]:
    """The words of an operation's name without the number of a round."""
    return tuple(word for word in name.split(" | ")[1].split() if not word.isdigit())
