"""The resolver against a table of combinations, and what its answers contain."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml

from torchrack.contract import Facts, ImageWish, Wishes, resolve
from torchrack.contract.check import check
from torchrack.gpus import lookup
from torchrack.knowledge import load

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "contract_cases.yml").read_text(encoding="utf-8")
)
TODAY = dt.date(2026, 11, 21)


def tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}


def ask(case: dict[str, Any]) -> tuple[Facts, Wishes]:
    images = (ImageWish(**tuples(case["image"])),) if "image" in case else ()
    return Facts(**tuples(case["host"])), Wishes(**case.get("ask", {}), images=images)


def test_the_table_is_large_and_its_names_differ():
    assert len(CASES) >= 60
    assert len({case["name"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_combination(case):
    facts, wishes = ask(case)
    answer = resolve(facts, wishes, today=case.get("today", TODAY))
    expected = case["expect"]
    found = answer.conflicts or answer.warnings
    assert answer.verdict == expected["verdict"], found
    assert sorted({one.rule for one in found}) == sorted(expected.get("rules", []))
    for field, value in tuples(expected.get("contract", {})).items():
        assert getattr(answer.contract, field) == value
    if "runs" in expected:
        assert [str(image) for image in answer.contract.images] == [expected["runs"]]
    if "nearest" in expected:
        assert any(expected["nearest"] in line for line in answer.nearest), answer.nearest


def test_a_conflict_names_rule_reason_and_source():
    answer = resolve(Facts(("2901",)), Wishes(flavour="proprietary"), today=TODAY)
    (conflict,) = answer.conflicts
    assert conflict.reason == (
        "the proprietary kernel modules don't drive B200, the open ones have to"
    )
    assert conflict.source == "NVIDIA Driver Installation Guide (2026-11-09)"
    assert conflict.url.startswith("https://docs.nvidia.com/")


def test_all_problems_come_at_once():
    wishes = Wishes(
        driver="newest", flavour="closed", mig=True, images=(ImageWish(torch="two", cuda="x"),)
    )
    rules = {c.rule for c in resolve(Facts(("2684", "ffff")), wishes, today=TODAY).conflicts}
    assert rules == {"branch-known", "flavour", "torch-known", "cuda-known", "gpu-known", "mig"}


def test_several_images_are_resolved_each():
    images = (ImageWish("a", torch="2.14"), ImageWish("b", torch=None, cuda="12.8"))
    answer = resolve(Facts(("2330",)), Wishes(images=images), today=TODAY)
    assert [(i.name, str(i)) for i in answer.contract.images] == [
        ("a", "torch 2.14+cu130"),
        ("b", "CUDA 12.8"),
    ]


def test_rows_of_a_fleet_count():
    extra = {
        "branches": [{"branch": 640, "kind": "LTSB", "eol": "2031-06", "source": "driver-guide"}]
    }
    answer = resolve(Facts(("2330",)), Wishes(), today=TODAY, knowledge=load(extra))
    assert answer.contract.branch == 640


def test_every_choice_is_explained():
    answer = resolve(
        Facts(("2330",), nvswitches=4), Wishes(images=(ImageWish("job"),)), today=TODAY
    )
    said = {choice.what for choice in answer.choices}
    assert said >= {"source", "driver", "flavour", "fabric manager", "toolkit", "docker", "job"}
    assert all(choice.why for choice in answer.choices)


def test_the_default_toolkit_is_one_of_the_table():
    contract = resolve(Facts(("2330",)), Wishes(), today=TODAY).contract
    assert contract.toolkit == "1.19.1-1"


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("flavour", "proprietary", "flavour"),
        ("branch", 565, "flavour"),
        ("branch", 999, "branch-known"),
        ("driver", "595.71.05", "offered"),
        ("modules", "signed", "source-system"),
        ("dcgm", "datacenter-gpu-manager-4-cuda12", "cuda-floor"),
        ("fabric_manager", None, "fabric-manager"),
        ("docker_minimum", "25.0", "toolkit-docker"),
        ("source", "ubuntu", "source-system"),
    ],
)
def test_the_checker_sees_a_contract_that_was_changed(field, value, rule):
    facts = Facts(("2901",), system="debian13", nvswitches=2)
    contract = resolve(facts, Wishes(), today=TODAY).contract
    assert not check(contract, facts)
    object.__setattr__(contract, field, value)
    assert rule in {conflict.rule for conflict in check(contract, facts)}


@pytest.mark.parametrize(
    ("wishes", "rule"),
    [
        (Wishes(flavour="proprietary"), "flavour"),
        (Wishes(source="ubuntu"), "source-system"),
        (Wishes(modules="signed"), "source-modules"),
        (Wishes(toolkit="1.20.0-1"), "toolkit-docker"),
        (Wishes(driver="595"), "offered"),
        (Wishes(images=(ImageWish(),)), "torch-known"),
    ],
)
def test_the_checker_sees_a_wish_that_was_not_met(wishes, rule):
    facts = Facts(("2684",))
    contract = resolve(facts, Wishes(), today=TODAY).contract
    assert [conflict.rule for conflict in check(contract, facts, wishes)] == [rule]


@pytest.mark.parametrize(
    ("gpu", "cuda", "rule"),
    [("2901", "12.6", "torch-gpu"), ("1db5", "13.0", "cuda-gpu"), ("2901", "14.0", "cuda-floor")],
)
def test_the_checker_sees_an_image_that_was_changed(gpu, cuda, rule):
    facts = Facts((gpu,))
    wishes = Wishes(images=(ImageWish(torch="2.14"),))
    contract = resolve(facts, wishes, today=TODAY).contract
    object.__setattr__(contract.images[0], "cuda", cuda)
    assert rule in {conflict.rule for conflict in check(contract, facts)}


def test_the_table_names_gpus_that_exist():
    named = {device for case in CASES for device in case["host"]["gpus"]}
    assert {d for d in named if lookup(d) is None} == {"ffff", "102d", "22a3"}


@pytest.mark.parametrize(
    ("facts", "wishes", "packages"),
    [
        (
            Facts(("2330",), system="debian13"),
            Wishes(driver="580"),
            ("nvidia-driver-cuda", "nvidia-kernel-open-dkms", "nvidia-persistenced"),
        ),
        (
            Facts(("2330",)),
            Wishes(driver="580", source="cuda-repo"),
            ("libnvidia-compute-580", "nvidia-dkms-580-open", "nvidia-persistenced"),
        ),
        (
            Facts(("2330",)),
            Wishes(driver="595", source="cuda-repo"),
            ("libnvidia-compute", "nvidia-dkms-open", "nvidia-persistenced"),
        ),
        (
            Facts(("2330",), kernel="6.8.0-45-generic", secure_boot=True),
            Wishes(driver="580", source="ubuntu"),
            (
                "linux-modules-nvidia-580-server-open-generic",
                "nvidia-headless-no-dkms-580-server-open",
                "nvidia-utils-580-server",
            ),
        ),
        (
            Facts(("2330",), secure_boot=False),
            Wishes(driver="580", source="ubuntu", modules="dkms"),
            ("nvidia-headless-580-server-open", "nvidia-utils-580-server"),
        ),
    ],
)
def test_packages_by_source_and_branch(facts, wishes, packages):
    assert resolve(facts, wishes, today=TODAY).contract.packages == packages
