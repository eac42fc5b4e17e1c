"""``torchrack onboard`` all the way: ready with the proof, or not ready with the reasons."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.harness import Done, Lab
from tests.lab.newcomers import Fleet, Server, ended, not_ready

LOST = "/run/nvidia-lab/state.json"
MINUTES = 4
"""From bare to ready, with warm caches."""


@pytest.fixture(scope="module")
def fresh(bare_lab: Lab) -> Iterator[Server]:
    """A bare server with two GPUs, which the tests of this file bring along in their order."""
    yield Server(bare_lab, "fresh", "--gpus", "h200:2")
    bare_lab.lab("remove", "fresh")


@pytest.fixture(scope="module")
def home(bare_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """The fleet that it joins."""
    return Fleet(bare_lab, tmp_path_factory.mktemp("onboard") / "fleet")


@pytest.fixture(scope="module")
def arrival(fresh: Server, home: Fleet) -> tuple[Done, float]:
    """The one command, and the seconds that it took."""
    begun = time.monotonic()
    done = home.onboard(
        fresh, "--host-key", fresh.fingerprint, "--json", *fresh.first.options, timeout=600
    )
    return done, time.monotonic() - begun


def steps(done: Done) -> dict[str, Any]:
    (host,) = json.loads(done.stdout)["hosts"]
    return {step["name"]: step for step in host["steps"]}


def test_from_bare_to_ready_in_one_command(
    fresh: Server, home: Fleet, arrival: tuple[Done, float]
) -> None:
    done, seconds = arrival
    ended(done, 0)
    (host,) = json.loads(done.stdout)["hosts"]
    assert host["verdict"] == "ready"
    assert {step["state"] for step in host["steps"]} == {"done"}
    assert seconds < 60 * MINUTES
    assert fresh.root("docker ps --format '{{.Names}}'").split() == ["notebook"]


def test_the_pages_hold_the_proof(fresh: Server, home: Fleet, arrival: tuple[Done, float]) -> None:
    assert arrival[0].rc == 0
    uuids = fresh.root("nvidia-smi --query-gpu=uuid --format=csv,noheader").split()
    assert len(uuids) == 2
    for kind in ("md", "html"):
        page = (home.reports / f"fresh.{kind}").read_text()
        missing = [text for text in (*uuids, fresh.fingerprint, "ready") if text not in page]
        assert missing == [], kind


def test_onboarded_twice(fresh: Server, home: Fleet, arrival: tuple[Done, float]) -> None:
    """The second run proves it anew, and changes nothing."""
    assert arrival[0].rc == 0
    files = home.files()
    again = home.onboard(fresh, "--json")
    ended(again, 0)
    told = steps(again)
    changing = ("host-key", "login", "admin", "inventory", "lock", "deploy")
    assert {name: told[name]["state"] for name in changing} == dict.fromkeys(changing, "already")
    assert home.files() == files


def test_one_gpu_of_two_is_dead(fresh: Server, home: Fleet, arrival: tuple[Done, float]) -> None:
    assert arrival[0].rc == 0
    fresh.root(f"""echo '{{"gpus": {{"1": {{"lost": true}}}}}}' > {LOST}""")
    try:
        done = home.onboard(fresh, "--json")
    finally:
        fresh.root(f"rm {LOST}")
    not_ready(done, "GPU")
    (host,) = json.loads(done.stdout)["hosts"]
    assert host["verdict"] == "not_ready"
    page = (home.reports / "fresh.md").read_text()
    assert "not ready" in page.lower()


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("deploy", ("deploy: docker",)),
        ("gpu", ("fresh", "deploy", "done")),
        ("state", ("fresh", "gpu", "done")),
    ],
)
def test_killed_in_the_long_steps(
    fresh: Server, home: Fleet, arrival: tuple[Done, float], moment: str, words: tuple[str, ...]
) -> None:
    """Nothing to do yet."""
    assert arrival[0].rc == 0
    assert moment
    assert words
    assert Path(home.folder).is_dir()
