"""A node of a swarm gets live-restore.

dockerd takes the key up at a reload, and does not start with it while a swarm is active. The deploy
restarted Docker, went back to the old file, and all containers that live-restore had kept were
killed: the daemon of before does not take them over. That came again with each run.

Reference: https://github.com/docker/docs/issues/16059
Kind: state of the engine that makes our keys impossible.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.cases.engines import ENGINE, HERE, OURS, engine, preflight
from tests.unit.plan import Plan
from torchrack.adopt.ahead import after_merge
from torchrack.adopt.found import Found, parse
from torchrack.adopt.propose import propose
from torchrack.operations import daemon
from torchrack.preflight.facts import parse as parse_facts
from torchrack.settings import Docker
from torchrack.workloads.workload import LABEL

FIXTURES = Path(__file__).parents[1] / "unit" / "fixtures" / "adopt"
STATES = ["active", "pending", "locked", "error"]


@pytest.mark.parametrize("state", STATES)
def test_preflight_refuses_and_names_the_setting(state: str) -> None:
    (problem,) = preflight(engine(info=replace(ENGINE, swarm=state)))
    assert state in problem.found
    assert "docker.live_restore = False" in problem.fix
    assert "docker swarm leave" not in problem.fix, "it would end what the swarm runs here"


def test_an_engine_that_does_not_answer_is_judged_by_its_folder() -> None:
    stopped = engine(info=None, roots=(replace(HERE, swarm=True),))
    assert [one.what for one in preflight(stopped)] == ["Docker swarm"]
    assert preflight(engine(info=None)) == []


@pytest.mark.parametrize("state", ["inactive", ""])
def test_a_host_outside_of_swarms_is_let_through(state: str) -> None:
    assert preflight(engine(info=replace(ENGINE, swarm=state))) == []


def test_without_live_restore_a_swarm_is_let_through() -> None:
    assert preflight(engine(info=replace(ENGINE, swarm="active")), live_restore=False) == []


def test_nothing_is_written_or_restarted(plan: Plan) -> None:
    now = engine(info=replace(ENGINE, swarm="active"))
    (command,) = plan(daemon.daemon_json, now, owner="docker", declared=OURS)
    assert command.startswith("false # ")
    written = replace(engine(OURS, info=replace(ENGINE, swarm="active")), taken="{}")
    (command,) = plan(daemon.running, written)
    assert command.startswith("false # ")


@pytest.fixture
def found() -> Found:
    """A server in use: root-tool has no restart policy, trainer_1 has one."""
    facts = parse_facts((FIXTURES / "inuse.facts").read_text().splitlines(), [])
    return parse((FIXTURES / "inuse.look").read_text().splitlines(), facts, "debian")


def locked(found: Found, file: str) -> Found:
    info = {**found.info, "Swarm": {"LocalNodeState": "locked"}}
    return replace(found, info=info, daemon_json=file)


@pytest.mark.parametrize("file", ["{}", '{"live-restore": true}'])
def test_adopt_proposes_settings_that_a_swarm_can_have(found: Found, file: str) -> None:
    proposal = propose(locked(found, file))
    assert proposal.sections["docker"]["live_restore"] is False
    assert "swarm (locked)" in proposal.comments["docker"]["live_restore"]


def test_adopt_does_not_advise_live_restore_to_a_swarm(found: Found) -> None:
    settings = Docker(live_restore=False)
    said = after_merge(locked(found, "{}"), settings)
    assert "a node of a swarm (locked) can't have live_restore" in said
    assert "lets them live" not in said
    elsewhere = after_merge(replace(found, daemon_json="{}"), settings)
    assert "live_restore=True lets them live through it" in elsewhere


def test_adopt_names_what_a_restart_ends_for_good(found: Found) -> None:
    said = after_merge(locked(found, "{}"), Docker(live_restore=False))
    assert "Docker does not start root-tool again (no restart policy)" in said
    assert "trainer_1" not in said


@pytest.mark.parametrize("label", ["com.docker.swarm.task", LABEL])
def test_what_a_swarm_or_a_unit_starts_again_is_not_named(found: Found, label: str) -> None:
    theirs = tuple(
        {**one, "Config": {**one["Config"], "Labels": {label: "x"}}} for one in found.containers
    )
    said = after_merge(replace(locked(found, "{}"), containers=theirs), Docker(live_restore=False))
    assert "no restart policy" not in said
