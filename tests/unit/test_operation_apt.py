"""Packages: exactly what is asked for, held, and nothing when it is there."""

from __future__ import annotations

import pytest

from tests.unit.plan import Plan
from torchrack.facts.packages import Package, Packages
from torchrack.operations import apt

OUTPUT = [
    "docker.io\t26.1.5+dfsg1-9+b9\thi ",
    "nvidia-open\t580.105.08-1\tiU ",
    "sudo\t1.9.16p2-3\tii ",
    "nano\t8.4-1\trc ",
]
FACT = Packages().process(OUTPUT)


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
    plan: Plan, versions: dict[str, str | None]
) -> None:
    (command,) = plan(apt.packages, FACT, versions=versions)
    assert "apt install" in command
    assert "dpkg --configure -a" in command, "an interrupted dpkg is mended first"


def test_a_half_installed_package_is_installed_again(plan: Plan) -> None:
    (command,) = plan(apt.packages, FACT, versions={"nvidia-open": "580.105.08-1"})
    assert "nvidia-open=580.105.08-1" in command


def test_only_the_hold_is_missing(plan: Plan) -> None:
    assert plan(apt.packages, FACT, versions={"sudo": None}, hold=True) == ["apt-mark hold sudo"]


def test_no_downgrade_unless_asked(plan: Plan) -> None:
    (command,) = plan(apt.packages, FACT, versions={"sudo": "1.8*"})
    assert "--allow-downgrades" not in command
    (command,) = plan(apt.packages, FACT, versions={"sudo": "1.8*"}, allow_downgrade=True)
    assert "--allow-downgrades" in command
