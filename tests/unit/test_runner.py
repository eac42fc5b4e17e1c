"""torchrack deploy's runner, on pyinfra's fake hosts: one host's trouble is that host's alone."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HOSTS = ("@fake/good", "@fake/bad")
DEPLOY = """
import sys
from pyinfra import host
from torchrack.operations.guard import operation
from torchrack.difference import differs
from torchrack.run import run

@operation
def change():
    differs("file:/etc/motd", "content", expected="hello", actual="nothing")
    yield "true"

@operation
def nothing():
    host.noop("as declared")
    yield from ()

@operation
def refuse():
    raise ValueError("no such luck")
    yield

@operation
def half():
    differs("file:/etc/motd", "content", expected="hello", actual="nothing")
    yield "true"
    if host.name == "@fake/bad":
        raise ValueError("no such luck")

@operation
def fail():
    if host.name == "@fake/bad":
        raise ValueError("no such luck")
    yield "true"

def stage(name, act):
    def deploy():
        act()
    deploy.__module__ = f"tasks.{name}"
    return deploy

ACTS
"""


@dataclass(frozen=True)
class Ran:
    """A run in a process of its own: gevent's patches would hang the threads of other tests."""

    data: dict[str, Any]
    began: list[str]
    closing: str
    stderr: str

    @property
    def states(self) -> list[str]:
        return [host["state"] for host in self.data["hosts"]]

    @property
    def changes(self) -> list[tuple[str, str]]:
        return [(change["host"], change["operation"]) for change in self.data["changes"]]


def ran(tmp_path: Path, acts: str, *arguments: str) -> Ran:
    (tmp_path / "fleet.py").write_text(f"hosts = {list(HOSTS)!r}\n")
    (tmp_path / "deploy.py").write_text(DEPLOY.replace("ACTS", acts))
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.runner_process", str(tmp_path), *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Ran(**json.loads(done.stdout), stderr=done.stderr)


def test_changes_are_told_with_what_differed(tmp_path: Path) -> None:
    done = ran(tmp_path, "run(stage('base', lambda: change(name='Greet')))")

    assert (done.data["verdict"], done.states) == ("done", ["ok", "ok"])
    assert done.changes == [("@fake/good", "Greet"), ("@fake/bad", "Greet")]
    (difference,) = done.data["changes"][0]["differences"]
    assert (difference["resource"], difference["expected"]) == ("file:/etc/motd", "hello")


def test_what_is_as_declared_is_no_change(tmp_path: Path) -> None:
    done = ran(tmp_path, "run(stage('base', lambda: nothing(name='Rest')))")

    assert (done.data["verdict"], done.changes, done.began) == ("done", [], ["Rest"])
    assert done.closing.startswith("2 hosts: 0 changes made on 0 host(s)")


def test_a_failed_operation_ends_its_host_alone(tmp_path: Path) -> None:
    acts = "run(stage('base', lambda: fail(name='Try')), stage('sshd', lambda: change(name='On')))"

    done = ran(tmp_path, acts)

    assert (done.data["verdict"], done.states) == ("failed", ["ok", "failed"])
    (failure,) = done.data["failures"]
    assert (failure["host"], failure["operation"]) == (HOSTS[1], "Try")
    assert "no such luck" in failure["message"]
    assert done.changes == [("@fake/good", "Try"), ("@fake/good", "On")]


def test_what_a_failed_operation_did_before_is_counted(tmp_path: Path) -> None:
    done = ran(tmp_path, "run(stage('base', lambda: half(name='Try')))")

    assert (done.data["verdict"], done.states) == ("failed", ["ok", "failed"])
    assert done.changes == [("@fake/good", "Try"), ("@fake/bad", "Try")]
    assert done.data["changes"][1]["differences"] == [], "it did not make what was declared"
    assert done.closing.startswith("2 hosts, 1 failed: 2 changes made on 2 host(s)")


@pytest.mark.parametrize(
    "acts",
    [
        # in a stage, and in the deploy file itself
        "run(stage('base', lambda: 1 / (host.name != '@fake/bad')), "
        "stage('sshd', lambda: change(name='On')))",
        "1 / (getattr(host, 'name', '') != '@fake/bad')\n"
        "run(stage('base', lambda: change(name='On')))",
    ],
)
def test_faulty_code_ends_its_host_alone(tmp_path: Path, acts: str) -> None:
    done = ran(tmp_path, acts)

    assert (done.data["verdict"], done.states) == ("failed", ["ok", "failed"])
    assert "division by zero" in done.data["failures"][0]["message"]
    assert done.changes == [("@fake/good", "On")]
    assert "Traceback" not in done.stderr


def test_all_hosts_failing_is_a_failure_with_its_reasons(tmp_path: Path) -> None:
    done = ran(tmp_path, "run(stage('base', lambda: 1 / 0))")

    assert (done.data["verdict"], done.states) == ("failed", ["failed", "failed"])
    assert len(done.data["failures"]) == 2


def test_an_operation_that_fails_on_all_hosts_says_why(tmp_path: Path) -> None:
    """pyinfra ends the run before it tells that the operation has ended."""
    done = ran(tmp_path, "run(stage('base', lambda: refuse(name='Try')))")

    assert (done.data["verdict"], done.states) == ("failed", ["failed", "failed"])
    assert done.data["refused"] is None
    said = {failure["host"]: failure["message"] for failure in done.data["failures"]}
    assert said.keys() == set(HOSTS)
    assert all("no such luck" in message for message in said.values())


def test_a_plan_changes_nothing_and_has_the_differences(tmp_path: Path) -> None:
    done = ran(tmp_path, "run(stage('base', lambda: change(name='Greet')))", "--plan")

    assert (done.data["verdict"], done.began) == ("planned", [])
    assert done.changes == [("@fake/good", "Greet"), ("@fake/bad", "Greet")]
    assert done.data["changes"][0]["differences"][0]["actual"] == "nothing"


def test_stages_are_chosen(tmp_path: Path) -> None:
    acts = "run(stage('base', lambda: change(name='A')), stage('sshd', lambda: change(name='B')))"

    done = ran(tmp_path, acts, "--only", "sshd")

    assert {operation for _, operation in done.changes} == {"B"}
