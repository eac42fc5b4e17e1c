"""Waivers: what they cover, and what is told when they come to an end."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from torchrack.drift import waivers
from torchrack.drift.model import Finding, HostResult, Result
from torchrack.drift.verdict import verdict
from torchrack.errors import ProblemsError

TODAY = dt.date(2026, 11, 24)
NOW = dt.datetime(2026, 11, 24, 3, 0, tzinfo=dt.timezone.utc)
FILE = """\
# What we live with.
- id: "sshd.effective:*"
  hosts: [gpu0*]
  reason: the vault logs in with a password until the move
  owner: ann
  expires: 2027-01-31
"""


def waiver(**more: object) -> waivers.Waiver:
    values = {"id": "sshd.*", "reason": "because", "owner": "ann", "expires": dt.date(2027, 1, 31)}
    return waivers.Waiver(**{**values, **more})


def result(*ids: str, kind: str = "drift", host: str = "gpu01") -> Result:
    found = tuple(
        Finding(host, one, one.split(".")[0], kind, "security", "w", "e", "a", "fix") for one in ids
    )
    return Result("f.py", NOW, NOW, ("sshd",), (HostResult(host, found, ("sshd",)),))


def applied(checked: Result, *known: waivers.Waiver, whole: bool = True) -> waivers.Waived:
    return waivers.apply(checked, known, today=TODAY, file="f.waivers.yml", whole=whole)


def test_a_file_is_read(tmp_path: Path):
    path = tmp_path / "lab.waivers.yml"
    path.write_text(FILE)
    (one,) = waivers.read(path)
    assert (one.id, one.hosts, one.owner) == ("sshd.effective:*", ("gpu0*",), "ann")
    assert waivers.path_of(tmp_path / "lab.py") == path


@pytest.mark.parametrize("text", [None, "", "# nothing\n"])
def test_no_file_and_an_empty_one_are_no_waivers(tmp_path: Path, text: str | None):
    path = tmp_path / "lab.waivers.yml"
    if text is not None:
        path.write_text(text)
    assert waivers.read(path) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\n", [("lab.waivers.yml", "dict in it")]),
        ("- [\n", [("lab.waivers.yml", "expected")]),
        (
            FILE.replace("  owner: ann\n", "") + "- id: x\n  extra: 1\n",
            [
                ("lab.waivers.yml:2", "required"),
                ("lab.waivers.yml:6", "required"),
                ("lab.waivers.yml:6", "required"),
                ("lab.waivers.yml:6", "required"),
                ("lab.waivers.yml:6", "not permitted"),
            ],
        ),
        (FILE.replace("2027-01-31", "soon"), [("lab.waivers.yml:2", "date")]),
    ],
)
def test_all_that_is_wrong_is_told_with_its_line(
    tmp_path: Path, text: str, said: list[tuple[str, str]]
):
    path = tmp_path / "lab.waivers.yml"
    path.write_text(text)
    with pytest.raises(ProblemsError) as caught:
        waivers.read(path)
    found = caught.value.problems
    assert len(found) == len(said), found
    for problem, (where, words) in zip(found, said, strict=True):
        assert problem.where.endswith(where)
        assert words in problem.found


@pytest.mark.parametrize(
    ("hosts", "covered"), [(("*",), True), (("gpu0?",), True), (("gpu02",), False)]
)
def test_a_waiver_covers_ids_and_hosts(hosts: tuple[str, ...], covered: bool):
    checked = applied(result("sshd.x"), waiver(hosts=hosts), whole=False)
    assert verdict(checked) == ("in_sync" if covered else "drift")


def test_what_could_not_be_checked_can_not_be_waived():
    assert verdict(applied(result("sshd.x", kind="unknown"), waiver())) == "incomplete"


@pytest.mark.parametrize(
    ("known", "whole", "said"),
    [
        (waiver(expires=TODAY - dt.timedelta(days=1)), True, ["waivers.expired:sshd.*"]),
        (waiver(expires=TODAY), True, ["waivers.ending:sshd.*"]),
        (waiver(expires=TODAY + dt.timedelta(days=14)), True, ["waivers.ending:sshd.*"]),
        (waiver(expires=TODAY + dt.timedelta(days=15)), True, []),
        (waiver(id="docker.*"), True, ["waivers.unmatched:docker.*"]),
        (waiver(id="docker.*"), False, []),
    ],
)
def test_what_is_told_of_a_waiver(known: waivers.Waiver, whole: bool, said: list[str]):
    checked = applied(result("sshd.x"), known, whole=whole)
    assert [one.id for one in checked.result.fleet_findings] == said


def test_an_expired_waiver_covers_nothing():
    checked = applied(result("sshd.x"), waiver(expires=TODAY - dt.timedelta(days=1)))
    assert checked.by == {}
    assert verdict(checked) == "drift"
