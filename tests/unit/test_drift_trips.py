"""How often a drift check asks a host, and what it costs: foresight, turns, lazy imports."""

from __future__ import annotations

import importlib
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
import yaml
from pyinfra.api.facts import FactBase

from torchrack import cli, safe_yaml
from torchrack.commands import drift
from torchrack.drift import check
from torchrack.drift.evaluate import Evaluation
from torchrack.drift.stand_in import StateStandIn
from torchrack.facts.answers import Output
from torchrack.facts.files import Files
from torchrack.facts.gather import gather
from torchrack.facts.packages import Packages
from torchrack.facts.units import Unit
from torchrack.inventory import FleetHost
from torchrack.operations.guard import operation
from torchrack.settings import Images
from torchrack.settings.model import merge

ROOT = Path(__file__).parents[2]


class Slow(FactBase[str]):
    """A fact that costs a host seconds."""

    def command(self) -> str:
        return "echo slow"

    def process(self, output: list[str]) -> str:
        return output[0]


@operation
def service(*, package: str, folder: Path, slow: bool):
    """Read one fact after the other, as far as each is as it should be."""
    if not gather(Packages, names=[package])[package].installed:
        yield "install"
    if slow:
        assert gather(Slow) == "slow"
    for name in ("one", "two"):
        if not gather(Files, paths=[str(folder / name)])[str(folder / name)]:
            yield f"write {name}"
    gather(Unit, unit="true.service", inputs=[])


class Checker(check._Checker):
    """The check of hosts that need no lock."""

    def prepare(self, host: FleetHost) -> None:
        """Nothing is handed over."""


def checker(folder: Path, *, slow: bool = False) -> tuple[Checker, Any]:
    """Return a check of one operation, and a session with a host where all is well."""

    def speech():
        service(name="Serve", package="true", folder=folder, slow=slow)

    speech.__module__ = "tasks.speech"
    host = FleetHost("gpu01", {}, merge([]))
    state = StateStandIn([host], ROOT / "deploy.py")
    session = SimpleNamespace(host=host, trips=0)
    return Checker((speech,), state, "inventories/x.py", {}), session


def answer(session: Any, wanted: Any) -> dict[str, Output]:
    """Answer as a host would that has all packages, files and units."""
    session.trips += 1
    session.asked = [request.command for request in wanted]
    return {request.command: Output(0, _lines(request.command)) for request in wanted}


def _lines(command: str) -> list[str]:
    if command.startswith("dpkg-query"):
        return ["true\t1.0\tii "]
    if command.startswith("for f in"):
        return ["644 root root", "0" * 64, command.split()[3].rstrip(";")]
    if command == "echo slow":
        return ["slow"]
    if command.startswith("systemctl show"):
        said = "LoadState=loaded ActiveState=active UnitFileState=enabled NeedDaemonReload=no Now=9"
        return [
            *said.split(),
            "StateChangeTimestampMonotonic=1",
            "Uptime=9 ",
            "NewestInput=",
        ]
    return []


@pytest.fixture
def host_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """All hosts answer, and nobody looks into what they tell beside the operations."""
    monkeypatch.setattr(check, "_ask", answer)
    monkeypatch.setattr(check.probes, "judge", lambda *_: [])
    monkeypatch.setattr(check, "subject_of", lambda *_: None)
    monkeypatch.setattr(check, "_no_stamp", lambda *_: [])


def test_facts_that_follow_each_other_take_one_trip(tmp_path: Path, host_answers: None):
    checking, session = checker(tmp_path)
    result = checking.host(session)
    assert result.round_trips == 1
    assert [one.id for one in result.findings if one.stage == "speech"] == []
    assert len(checking.asked["gpu01"]) == 4


def test_a_slow_fact_is_not_asked_for_on_a_guess(tmp_path: Path, host_answers: None):
    checking, session = checker(tmp_path, slow=True)
    assert checking.host(session).round_trips == 3
    # The package, then the slow fact, then all that follows it.
    assert len(session.asked) == 3


def test_what_was_asked_for_in_vain_is_forgotten(tmp_path: Path, host_answers: None):
    checking, session = checker(tmp_path)
    checking.recalled["gpu01"] = [check.Request("echo in vain", 5)]
    checking.host(session)
    assert [one.command for one in checking.asked["gpu01"] if "vain" in one.command] == []
    assert len(checking.asked["gpu01"]) == 4


def test_a_guess_is_never_looked_at_again(tmp_path: Path, host_answers: None):
    """What an operation keeps of a host while it is guessed about stays with that guess."""
    checking, session = checker(tmp_path)
    met: list[Any] = []

    def speech():
        met.append(check.ctx_state.get().hosts["gpu01"])
        service(name="Serve", package="true", folder=tmp_path, slow=False)

    speech.__module__ = "tasks.speech"
    checking.stages = (speech,)
    with check.ctx_state.use(checking.state):
        checking.host(session)
    own = checking.state.hosts["gpu01"]
    looks = [one is own for one in met]
    assert looks == [True, False, True]  # a first look, a guess, and the look that counts


def test_hosts_are_judged_in_turn(
    tmp_path: Path, host_answers: None, monkeypatch: pytest.MonkeyPatch
):
    inside: list[int] = []
    most: list[int] = []

    def look(*_: Any) -> Evaluation:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.02)  # long enough for another thread to come in, if it could
        inside.pop()
        return Evaluation()

    monkeypatch.setattr(check, "evaluate", look)
    checking, session = checker(tmp_path)
    checking.recalled["gpu01"] = [check.Request("true", 5)]
    threads = [threading.Thread(target=checking.host, args=(session,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


# What a start costs


def test_the_command_line_imports_no_command_before_it_is_called():
    code = (
        "import sys, torchrack.cli; "
        "print(sorted({'paramiko', 'pyinfra', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("group", [cli.Commands, drift.Commands])
def test_every_command_is_where_it_is_said_to_be(group: Any):
    made = group(name="group")
    for name, place in group.places.items():
        module, _, attribute = place.partition(":")
        assert callable(getattr(importlib.import_module(module), attribute))
        assert made.commands[name].name == name
        assert made.commands[name].help
    assert made.commands.get("no-such-command") is None
    assert list(made.commands) == list(group.places)


def test_a_command_whose_module_fails_is_not_a_command_that_does_not_exist(
    monkeypatch: pytest.MonkeyPatch,
):
    def fail(_: str) -> Any:
        raise KeyError("HOME")

    monkeypatch.setattr("torchrack.commands.lazy.import_module", fail)
    with pytest.raises(KeyError, match="HOME"):
        cli.Commands(name="group").commands.get("drift")


def test_yaml_makes_no_objects():
    assert safe_yaml.load("a: [1, 2026-11-25]") == yaml.safe_load("a: [1, 2026-11-25]")
    with pytest.raises(yaml.YAMLError):
        safe_yaml.load("!!python/object/apply:os.getcwd []")


def test_a_tag_has_ascii_letters_alone():
    digest = f"@sha256:{'0' * 64}"
    assert Images(keep=[f"r.example/a:v1.0_x-Y{digest}"])
    with pytest.raises(ValueError, match="keep"):
        Images(keep=[f"r.example/a:verß{digest}"])


@pytest.mark.parametrize(("nightly", "times"), [(True, 1), (False, 0)])
def test_only_a_nightly_check_tells_targets(
    nightly: bool, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A check by hand must not take the night's news away from them."""
    module = importlib.import_module("torchrack.commands.drift.check")
    told: list[Any] = []
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name, value in {
        "locked_in_part": lambda *_: ([], [], True),
        "look": lambda *_, **__: None,
        "remember": lambda *_: ({}, None),
        "select": lambda *_, **__: None,
        "verdict": lambda _: "in_sync",
        "_notify": lambda *_: told.append(1),
        "_tell": lambda *_: True,
    }.items():
        monkeypatch.setattr(module, name, value)
    with pytest.raises(typer.Exit):
        module.check(tmp_path / "x.py", nightly=nightly)
    assert len(told) == times
