"""Since when a finding is there, and what becomes of a history that can't be kept."""

from __future__ import annotations

import datetime as dt
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from torchrack.drift import history
from torchrack.drift.history import HistoryError, Seen, record
from torchrack.drift.model import Deployed, Finding, HostResult, Result

FIRST = dt.datetime(2026, 11, 1, 3, 0, tzinfo=dt.timezone.utc)
STAGES = ("docker", "host")


def night(number: int, *ids: str, checked: tuple[str, ...] = STAGES) -> Result:
    """The check of a night that found these on gpu01."""
    found = tuple(
        Finding("gpu01", one, "docker", "drift", "compat", "w", "e", "a", "f") for one in ids
    )
    when = FIRST + dt.timedelta(days=number)
    return Result("f.py", when, when, STAGES, (HostResult("gpu01", found, checked),))


@pytest.fixture
def nights(tmp_path: Path):
    """``nights(result, ...)``: record these; what is known after the last."""

    def run(*results: Result) -> dict[tuple[str, str], Seen]:
        seen: dict[tuple[str, str], Seen] = {}
        for result in results:
            seen = record(tmp_path / "x" / "f.sqlite", result, "drift")
        return seen

    return run


def test_a_finding_is_there_since_it_was_first_seen(nights):
    seen = nights(night(0), night(1, "a"), night(2, "a", "b"))
    assert seen == {
        ("gpu01", "a"): Seen(FIRST + dt.timedelta(days=1), FIRST + dt.timedelta(days=2), False),
        ("gpu01", "b"): Seen(FIRST + dt.timedelta(days=2), FIRST + dt.timedelta(days=2), False),
    }


def test_one_that_comes_again_is_there_since_then(nights):
    seen = nights(night(0, "a"), night(1), night(2, "a"))
    assert seen["gpu01", "a"].first == FIRST + dt.timedelta(days=2)
    assert not seen["gpu01", "a"].flapping


def test_one_that_comes_and_goes_is_flapping(nights):
    nights(night(0, "a"), night(1), night(2, "a"), night(3))
    assert nights(night(4, "a"))["gpu01", "a"].flapping
    nights(*(night(number, "a") for number in range(5, 30)))
    assert not nights(night(31, "a"))["gpu01", "a"].flapping


@pytest.mark.parametrize("checked", [(), ("docker",)])
def test_a_host_that_was_not_checked_whole_keeps_its_findings(nights, checked):
    seen = nights(night(0, "a"), night(1, checked=checked), night(2, "a"))
    assert seen["gpu01", "a"].first == FIRST


def test_a_host_that_is_in_the_inventory_no_longer_has_none(nights, tmp_path):
    """A check of a part of the fleet says nothing of the others."""
    others = (HostResult("gpu02", (), STAGES),)
    nights(night(0, "a"), replace(night(1), hosts=others))
    assert [one.open for one in history.read(tmp_path / "x" / "f.sqlite").spans] == [True]
    nights(replace(night(2), hosts=others, whole=True))
    past = history.read(tmp_path / "x" / "f.sqlite")
    assert [one.open for one in past.spans] == [False]
    assert [len(past.at(check)) for check in past.checks] == [1, 0, 0]


def test_a_check_of_a_part_leaves_the_findings_of_the_fleet(tmp_path):
    path = tmp_path / "f.sqlite"
    about = Finding("-", "waivers.unused:x", "waivers", "drift", "cosmetic", "w", "e", "a", "f")
    record(path, replace(night(0), fleet_findings=(about,), whole=True), "drift")
    record(path, night(1), "in_sync")
    assert [one.open for one in history.read(path).spans] == [True]
    record(path, replace(night(2), whole=True), "in_sync")
    assert [one.open for one in history.read(path).spans] == [False]


def test_old_checks_are_forgotten(nights, tmp_path, monkeypatch):
    monkeypatch.setattr(history, "KEPT", 3)
    nights(night(0, "a"), *(night(number) for number in range(1, 9)))
    with sqlite3.connect(tmp_path / "x" / "f.sqlite") as database:
        assert database.execute("SELECT count(*) FROM checks").fetchone() == (3,)
        assert database.execute("SELECT count(*) FROM spans").fetchone() == (0,)


def test_only_its_owner_reads_it(nights, tmp_path):
    nights(night(0))
    assert (tmp_path / "x" / "f.sqlite").stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_is_moved_aside(tmp_path):
    path = tmp_path / "f.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(HistoryError, match="it was moved to"):
        record(path, night(0), "in_sync")
    assert (tmp_path / "f.damaged").read_bytes().startswith(b"no database")
    assert record(path, night(1, "a"), "drift")


def test_a_locked_file_is_told(tmp_path, monkeypatch):
    path = tmp_path / "f.sqlite"
    record(path, night(0), "in_sync")
    real = sqlite3.connect
    monkeypatch.setattr(history.sqlite3, "connect", lambda file, timeout: real(file, timeout=0))
    other = real(path)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(HistoryError, match="locked"):
        record(path, night(1, "a"), "drift")
    other.close()


def test_a_folder_that_can_not_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(HistoryError, match="file"):
        record(tmp_path / "file" / "f.sqlite", night(0), "in_sync")


def test_a_check_is_in_it_whole_or_not_at_all(nights, tmp_path, monkeypatch):
    nights(night(0, "a"))
    monkeypatch.setattr(history, "_forget", lambda _database: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        nights(night(1, "a", "b"))
    with sqlite3.connect(tmp_path / "x" / "f.sqlite") as database:
        assert database.execute("SELECT count(*) FROM checks").fetchone() == (1,)
        assert database.execute("SELECT id FROM spans").fetchall() == [("a",)]


def test_findings_of_the_fleet_are_kept_too(tmp_path):
    about = Finding("-", "waivers.expired:x", "waivers", "drift", "compat", "w", "e", "a", "f")
    seen = record(tmp_path / "f.sqlite", replace(night(0), fleet_findings=(about,)), "drift")
    assert ("-", "waivers.expired:x") in seen


def test_what_was_there_at_a_check_can_be_read(nights, tmp_path: Path):
    nights(night(0, "a"), night(1, "a", "b"), night(2, "b", checked=()), night(3, "b"))
    past = history.read(tmp_path / "x" / "f.sqlite")
    assert [sorted(span.id for span in past.at(check)) for check in past.checks] == [
        ["a"],
        ["a", "b"],
        ["b"],
        ["b"],
    ]


def test_it_knows_when_each_host_was_checked_last(tmp_path: Path):
    path = tmp_path / "f.sqlite"
    first, second = night(0, "a"), night(1)
    record(path, first, "drift")
    unreachable = replace(second, hosts=(replace(second.hosts[0], checked=()),))
    record(path, unreachable, "incomplete")
    assert history.read(path).hosts == {"gpu01": first.started}
    record(path, second, "in_sync")
    assert history.read(path).hosts == {"gpu01": second.started}


def test_a_span_says_since_which_deploy(tmp_path: Path):
    path = tmp_path / "f.sqlite"
    deployed = Deployed("1" * 40, FIRST, "ann@desk")
    result = night(0, "a")
    record(path, replace(result, hosts=(replace(result.hosts[0], deployed=deployed),)), "drift")
    assert history.read(path).spans[0].deploy == "111111111111 on 2026-11-01 03:00 UTC by ann@desk"


def test_a_file_of_the_first_version_is_read_and_goes_on(tmp_path: Path):
    path = tmp_path / "f.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript(
            "CREATE TABLE checks (number INTEGER PRIMARY KEY, started TEXT, verdict TEXT);"
            "CREATE TABLE spans (host TEXT, id TEXT, first TEXT, last TEXT, open INTEGER);"
            "INSERT INTO checks VALUES (1, '2026-11-01T03:00:00+00:00', 'drift');"
            "INSERT INTO spans VALUES ('gpu01', 'a', '2026-11-01T03:00:00+00:00', "
            "'2026-11-01T03:00:00+00:00', 1);"
        )
    (span,) = history.read(path).spans
    assert (span.id, span.deploy, span.severity) == ("a", None, None)
    assert history.read(path).hosts == {}
    seen = record(path, night(1, "a", "b"), "drift")
    assert seen["gpu01", "a"].first == FIRST
    assert len(history.read(path).spans) == 2


def test_a_span_is_as_grave_as_its_finding_was(tmp_path: Path):
    path = tmp_path / "f.sqlite"
    for number, severity in enumerate(("compat", "outage")):
        one = night(number, "a")
        graver = tuple(replace(found, severity=severity) for found in one.hosts[0].findings)
        record(path, replace(one, hosts=(replace(one.hosts[0], findings=graver),)), "drift")
        assert [span.severity for span in history.read(path).spans] == [severity]


def test_there_is_no_history_before_the_first_check(tmp_path: Path):
    assert history.read(tmp_path / "none.sqlite") == history.History()


def test_what_is_no_history_can_not_be_read(tmp_path: Path):
    path = tmp_path / "f.sqlite"
    path.write_text("no database at all, but long enough to be looked at")
    with pytest.raises(HistoryError, match=r"f\.sqlite"):
        history.read(path)
