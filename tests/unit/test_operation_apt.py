"""Packages: exactly what is asked for, held, and nothing when it is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.plan import Plan
from torchrack.apt.transaction import Plan as AptAnswer
from torchrack.apt.transaction import Step
from torchrack.difference import collecting
from torchrack.facts.apt_plan import AptPlan
from torchrack.facts.packages import Package, Packages
from torchrack.operations import apt, transaction

OUTPUT = [
    "docker.io\t26.1.5+dfsg1-9+b9\thi ",
    "nvidia-open\t580.105.08-1\tiU ",
    "sudo\t1.9.16p2-3\tii ",
    "nano\t8.4-1\trc ",
]
FACT = Packages().process(OUTPUT)


Run = Callable[..., list[str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> Run:
    """``run(apt_plan, versions=...)``: what is done where apt plans that."""

    def run(apt_plan: AptAnswer | None = None, **arguments: Any) -> list[str]:
        facts = {Packages: FACT, AptPlan: apt_plan or AptAnswer(())}
        monkeypatch.setattr(transaction, "gather", lambda fact, **_: facts[fact])
        return plan(apt.packages, FACT, **arguments)

    return run


def test_fact_tells_installed_held_and_half_installed() -> None:
    assert {
        "docker.io": Package("26.1.5+dfsg1-9+b9", installed=True, held=True),
        "nvidia-open": Package("580.105.08-1", installed=False, held=False),
        "sudo": Package("1.9.16p2-3", installed=True, held=False),
        "nano": Package("8.4-1", installed=False, held=False),
    } == FACT


@pytest.mark.parametrize(
    ("versions", "hold"),
    [
        ({"sudo": None}, False),
        ({"sudo": "1.9.16p2-3"}, False),
        ({"docker.io": "26.1.5*"}, True),
        ({"docker.io": "26.1.*", "sudo": None}, False),
    ],
)
def test_nothing_to_do(plan: Plan, versions: dict[str, str | None], hold: bool) -> None:
    assert plan(apt.packages, FACT, versions=versions, hold=hold) == []


@pytest.mark.parametrize("versions", [{"curl": None}, {"sudo": "2.*"}, {"nano": None}])
def test_installs_what_is_missing_or_of_another_version(
    run: Run, versions: dict[str, str | None]
) -> None:
    prepare, command = run(versions=versions)
    assert "apt install" in command
    assert "dpkg --configure -a" in prepare, "an interrupted dpkg is mended first"


def test_a_half_installed_package_is_installed_again(run: Run) -> None:
    _, command = run(versions={"nvidia-open": "580.105.08-1"})
    assert "nvidia-open=580.105.08-1" in command


def test_only_the_hold_is_missing(plan: Plan) -> None:
    assert plan(apt.packages, FACT, versions={"sudo": None}, hold=True) == ["apt-mark hold sudo"]


def test_no_downgrade_unless_asked(run: Run) -> None:
    _, command = run(versions={"sudo": "1.8*"})
    assert "--allow-downgrades" not in command
    _, command = run(versions={"sudo": "1.8*"}, allow_downgrade=True)
    assert "--allow-downgrades" in command


def test_a_plan_that_goes_too_far_is_refused_before_anything_is_installed(run: Run) -> None:
    jump = AptAnswer((Step("upgrade", "libcuda1", "580.105.08-1", "595.71.05-1"),))
    prepare, refusal = run(jump, versions={"curl": None})
    assert "apt install" not in prepare.replace("apt install --fix-broken", "")
    assert refusal.startswith("false # ")
    assert "branch jump: would upgrade libcuda1 580.105.08-1 -> 595.71.05-1" in refusal


def test_what_differs_is_said(run: Run) -> None:
    with collecting() as heard:
        run(versions={"curl": None, "sudo": "2.*", "docker.io": None}, hold=True)
    assert [(one.resource, one.aspect, one.expected, one.actual) for one in heard] == [
        ("package:curl", "version", "installed", "not installed"),
        ("package:sudo", "version", "2.*", "1.9.16p2-3"),
    ]
    with collecting() as heard:
        run(versions={"sudo": None}, hold=True)
    assert [(one.resource, one.aspect) for one in heard] == [("package:sudo", "held")]
