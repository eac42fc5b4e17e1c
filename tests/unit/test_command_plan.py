"""``torchrack plan``, with recorded answers of hosts in place of hosts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from torchrack.cli import app
from torchrack.errors import Problem
from torchrack.images.facts import ImageFacts
from torchrack.preflight.facts import parse

FIXTURES = Path(__file__).parent / "fixtures" / "preflight"
STDOUT = (FIXTURES / "debian13-finished.out").read_text()
STDERR = (FIXTURES / "debian13-finished.err").read_text().splitlines()
GONE = Problem("gone", "Facts of the host", "no answer in time", "an answer", "look at it")
INVENTORY = """\
from torchrack.inventory import check_fleet, host
from torchrack.settings import Docker, Driver, Images, Toolkit

_there = dict(user="admin", known_hosts={known!r})
gpu = [
    host("fine", address="fine", docker=Docker(version="5:29.6.1*"), **_there),
    host("old", address="old", driver=Driver(version="565.57.01"), **_there),
    host("impossible", address="impossible",
         driver=Driver(version="565.57.01", flavour="proprietary"), **_there),
    host("gone", address="gone", **_there),
]
{more}
check_fleet(__file__, globals())
"""


def recorded(device="2335"):
    """The facts of the recorded host, with other GPUs in it."""
    return parse(STDOUT.replace("0x2335", f"0x{device}").splitlines(), STDERR)


FOUND = {
    "fine": recorded(),
    "old": recorded(),
    "impossible": recorded("2901"),
    "gone": GONE,
}


IMAGES = {
    "r.example/fits:1": ImageFacts("sha256:1", torch="2.9.0", cuda="12.8"),
    "r.example/new:1": ImageFacts("sha256:2", requires={"NVIDIA_REQUIRE_CUDA": "cuda>=99.0"}),
    "r.example/gone:1": Problem("r.example", "Manifest", "no answer", "one", "look at it"),
}


def resolve_images(wanted, _registries):
    return {asked: IMAGES[asked[0]] for asked in wanted}


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """Run the command on an inventory of four hosts that answer as FOUND says."""

    def gather(hosts, answered):
        for _ in hosts:
            answered()
        return {host.name: FOUND[host.name] for host in hosts}

    monkeypatch.setattr("torchrack.commands.plan.gather", gather)
    monkeypatch.setattr("torchrack.contract.fleet_images.resolve_images", resolve_images)
    known = tmp_path / "known_hosts"
    known.touch()

    def run(*arguments, more="", columns="300"):
        path = tmp_path / "fleet.py"
        path.write_text(INVENTORY.format(known=str(known), more=more))
        return CliRunner().invoke(app, ["plan", str(path), *arguments], env={"COLUMNS": columns})

    return run


@pytest.mark.parametrize(
    ("hosts", "status", "verdicts"),
    [
        ("fine", 0, ["ok"]),
        ("fine,old", 0, ["ok", "warn"]),
        ("gone, fine", 1, ["ok", "unknown"]),
        ("impossible", 2, ["conflict"]),
        ("impossible,gone", 2, ["conflict", "unknown"]),
    ],
)
def test_exit_status_and_verdicts(plan, hosts, status, verdicts):
    result = plan("--limit", hosts, "--json")
    assert result.exit_code == status, result.output
    data = json.loads(result.stdout)
    assert data["status"] == status
    assert [host["verdict"] for host in data["hosts"]] == verdicts
    assert plan("--limit", hosts).exit_code == status


def test_the_table_has_a_row_a_host_and_tells_conflicts_and_unknown_hosts(plan):
    result = plan()
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    for part in ("2x H200 SXM 141GB", "debian13", "ok", "580.159.04 open, cuda-repo (dkms)"):
        assert part in rows["fine"]
    for part in ("1.19.1-1", "29.6.1 (>= 26.1)", "13.0", "2.14+cu1"):
        assert part in rows["fine"]
    assert "2x B200" in rows["impossible"]
    assert rows["gone"].split() == ["gone", "unknown"]
    for part in (
        "warn: old\n",
        "branch-life: R565 has ended",
        "conflict: impossible\n",
        "flavour: ",
        "https://",
        "What would work, the nearest first:\n    R5",
        "4 hosts: 1 ok, 1 warn, 1 conflict, 1 unknown. Nothing was changed on any host.",
    ):
        assert part in result.stdout
    assert "no answer in time" in result.stderr
    assert "\x1b[" not in result.output


def test_versions_stay_whole_on_a_narrow_terminal(plan):
    shown = plan("--limit", "fine", columns="80").stdout
    for part in ("580.159.04", "1.19.1-1", "29.6.1", "2.14+cu1", "debian13"):
        assert part in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_hosts_with_the_same_conflict_share_its_description(plan, monkeypatch):
    same = "gpu += [host('again', address='again', driver=gpu[2][1]['driver'], **_there)]"
    monkeypatch.setitem(FOUND, "again", FOUND["impossible"])
    result = plan("--limit", "fine,impossible", "--limit", "again", more=same)
    assert result.exit_code == 2
    assert result.stdout.count("conflict: ") == 1
    assert "conflict: impossible, again\n" in result.stdout


def test_json_has_facts_contract_and_reasons(plan):
    hosts = {host["name"]: host for host in json.loads(plan("--json").stdout)["hosts"]}
    assert list(hosts) == ["fine", "old", "impossible", "gone"]
    answer = hosts["fine"]["answer"]
    assert answer["host"]["gpus"] == ["2335", "2335"]
    assert answer["contract"]["driver"] == "580.159.04"
    assert hosts["fine"]["wishes"]["source"] == "cuda-repo"
    assert hosts["fine"]["loaded_driver"] is None
    assert hosts["impossible"]["answer"]["contract"] is None
    assert {c["rule"] for c in hosts["impossible"]["answer"]["conflicts"]} >= {"flavour"}
    assert hosts["impossible"]["answer"]["nearest"]
    assert hosts["gone"]["problem"]["found"] == "no answer in time"
    assert hosts["gone"]["answer"] is None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            "gpu += [host('x', address='x', driver=Driver(version='new'), **_there)]",
            ["Driver.version", "'new'"],
        ),
        (
            "gpu += [host('x', address='x', driver=Driver(version='new'), "
            "docker=Docker(source='snap'), **_there)]",
            ["Driver.version", "Docker.source"],
        ),
        ("gpu += [host('x', address='x', **_there | dict(port=0))]", ["SSH port", "1 problem(s)"]),
        ("gpu += 1 / 0", ["fleet.py:12", "ZeroDivisionError"]),
        ("gpu += (", ["SyntaxError"]),
        ("raise SystemExit", ["the inventory ended early"]),
    ],
)
def test_a_wrong_inventory_is_told_without_a_traceback(plan, more, words):
    result = plan(more=more)
    assert result.exit_code == 1
    assert [word for word in words if word not in "".join(result.stderr.split("\n"))] == []
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_an_inventory_without_hosts_is_no_success(tmp_path):
    (tmp_path / "empty.py").write_text("gpu = []\n")
    result = CliRunner().invoke(app, ["plan", str(tmp_path / "empty.py")])
    assert result.exit_code == 1
    assert "no host" in result.stderr


def test_no_inventory_and_no_such_host(plan):
    result = CliRunner().invoke(app, ["plan", "no/such/fleet.py"], env={"COLUMNS": "200"})
    assert result.exit_code == 1
    assert "FileNotFoundError" in result.stderr
    result = plan("--limit", "fine,nobody")
    assert result.exit_code == 1
    assert "no host nobody in the inventory; it has fine, gone, impossible, old" in result.stderr


def with_image(reference):
    """A host more, like the first, with this image in its catalog."""
    return (
        "gpu += [host('more', address='more', driver=Driver(version='580'), "
        f"images=Images(catalog={{'x': '{reference}'}}), **_there)]"
    )


@pytest.mark.parametrize(
    ("reference", "status", "said"),
    [
        ("r.example/fits:1", 0, "image x: torch 2.9.0, CUDA 12.8  sha256:1  (1 host)"),
        ("r.example/new:1", 2, "x requires 'cuda>=99.0'"),
        ("r.example/gone:1", 1, "1 unknown"),
    ],
)
def test_images_are_part_of_the_plan(plan, monkeypatch, reference, status, said):
    monkeypatch.setitem(FOUND, "more", FOUND["fine"])
    done = plan("--limit", "more", more=with_image(reference))
    assert done.exit_code == status, done.output
    assert said in done.stdout
    assert plan("--limit", "more", "--no-images", more=with_image(reference)).exit_code == 0
