"""Rows of a fleet's own: used where contracts are resolved, refused where they are wrong."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from torchrack.cli import app
from torchrack.contract import Facts, Wishes, resolve
from torchrack.knowledge import builtin
from torchrack.settings import Knowledge
from torchrack.settings.check import check_settings
from torchrack.settings.model import merge

SOURCE = {
    "sources": {"ours": {"title": "our lab", "url": "https://x.example", "date": "2026-11-01"}}
}
NEW_GPU = {"gpus": {"fffe": ["GB203", "RTX Next"]}}
NEW_BRANCH = {
    **SOURCE,
    "branches": [
        {"branch": 630, "kind": "LTSB", "eol": "2031-01", "cuda": "13.3", "source": "ours",
         "versions": ["630.10.01"]},
    ],
}  # fmt: skip
TODAY = dt.date(2026, 11, 24)


def told(rows: dict) -> list[str]:
    settings = merge([{"knowledge": Knowledge(rows=rows)}])
    found = check_settings("gpu01", settings)
    return [f"{p.what}: {p.found}" for p in found if p.what.startswith("knowledge")]


def test_no_rows_are_the_tables_that_ship():
    assert Knowledge().tables() is builtin()


def test_the_same_rows_are_the_same_tables():
    assert Knowledge(rows=NEW_GPU).tables() is Knowledge(rows=dict(NEW_GPU)).tables()


@pytest.mark.parametrize("rows", [NEW_GPU, NEW_BRANCH])
def test_good_rows_have_no_problem(rows: dict):
    assert told(rows) == []


def test_a_gpu_that_the_fleet_knows():
    facts = Facts(gpus=("fffe",))
    assert resolve(facts, Wishes(), today=TODAY).contract is None
    known = Knowledge(rows=NEW_GPU).tables()
    answer = resolve(facts, Wishes(), today=TODAY, knowledge=known)
    assert answer.contract is not None
    assert answer.contract.flavour == "open"


def test_a_branch_that_the_fleet_knows():
    known = Knowledge(rows=NEW_BRANCH).tables()
    facts, wishes = Facts(gpus=("2335",)), Wishes(driver="630")
    assert resolve(facts, wishes, today=TODAY).contract is None
    contract = resolve(facts, wishes, today=TODAY, knowledge=known).contract
    assert contract is not None
    assert contract.driver == "630.10.01"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"gpus": {"XYZ": ["GB203", "x"]}}, ["knowledge.rows, gpus: XYZ"]),
        ({"gpus": {"fffe": ["ZZ1", "x"]}}, ["knowledge.rows, gpus: fffe: the chip ZZ1"]),
        ({"nothing": []}, ["knowledge.rows, nothing: no such table"]),
        (
            {"branches": [{"branch": 630, "source": "nowhere", "versions": ["629.1.1"]}]},
            [
                "knowledge.rows, branches: source 'nowhere' is not in sources",
                "knowledge.rows, sources: 'nowhere' is named and not there",
                "knowledge.rows, branches: version 629.1.1 stands in branch 630",
            ],
        ),
        (
            {"branches": [{"branch": "x"}], "releases": 7},
            [
                "knowledge.rows, branches, row 1: source",
                "knowledge.rows, branches, row 1: branch",
                "knowledge.rows, releases: a list of rows is needed",
            ],
        ),
    ],
)
def test_wrong_rows_are_told_all_at_once(rows: dict, said: list[str]):
    found = told(rows)
    assert len(found) == len(said)
    for one, beginning in zip(found, said, strict=True):
        assert one.startswith(beginning), found


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    (tmp_path / "known_hosts").touch()
    path, known = tmp_path / "fleet.py", str(tmp_path / "known_hosts")
    path.write_text(
        "from torchrack.inventory import check_fleet, host\n"
        "from torchrack.settings import Knowledge\n"
        f"gpu = [host('a', address='192.0.2.1', user='x', known_hosts={known!r},\n"
        f"    knowledge=Knowledge(rows={NEW_GPU!r}))]\n"
        "check_fleet(__file__, globals())\n"
    )
    return path


def test_explain_with_the_rows_of_a_fleet(inventory: Path):
    asked = ["explain", "--gpu", "10de:fffe", "--json"]
    assert CliRunner().invoke(app, asked).exit_code == 2
    done = CliRunner().invoke(app, [*asked, "--inventory", str(inventory)])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["verdict"] == "ok"


def test_data_check_with_the_rows_of_a_fleet(inventory: Path):
    assert CliRunner().invoke(app, ["data", "check", str(inventory)]).exit_code == 0
    broken = inventory.read_text().replace("GB203", "ZZ203")
    inventory.write_text(broken)
    done = CliRunner().invoke(app, ["data", "check", str(inventory)], env={"COLUMNS": "400"})
    assert done.exit_code == 1
    assert "ZZ203 belongs to no architecture" in done.output
