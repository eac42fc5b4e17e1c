"""The stamp is written when something changed, and only then."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.exceptions import FactProcessError

from torchrack.facts.stamp import Installed, InstalledVersions
from torchrack.settings import Docker
from torchrack.settings.model import merge
from torchrack.stamp.content import Commit, content, is_current, is_genuine, text
from torchrack.stamp.origin import commit, person, torchrack_version

REST: dict[str, Any] = {"torchrack": "0.1.0", "operations": {}}
INSTALLED = Installed("580.159.04", "29.6.1", "1.19.1-1", "6.8.0-90-generic", "")
WANTED = content(
    merge([]), INSTALLED, commit=Commit("a" * 40, False), torchrack="0.1.0", operations={}
)
STAMP = text(WANTED, who="ann@desk", when="2026-11-21T11:00:00+00:00")


def test_the_stamp_is_json_for_people() -> None:
    stamp = json.loads(STAMP)
    assert stamp["schema"] == 1
    assert stamp["commit"] == {"revision": "a" * 40, "dirty": False}
    assert stamp["versions"]["driver"] == "580.159.04"
    assert (stamp["who"], stamp["when"]) == ("ann@desk", "2026-11-21T11:00:00+00:00")
    assert stamp["settings_sha256"] == merge([]).sha256()


def test_who_and_when_do_not_count() -> None:
    assert is_current(STAMP, WANTED)
    assert is_current(text(WANTED, who="bob@other", when="2026-11-22T11:00:00+00:00"), WANTED)


@pytest.mark.parametrize(
    "changed",
    [
        content(merge([]), INSTALLED, commit=None, **REST),
        content(
            merge([]), INSTALLED, commit=Commit("a" * 40, True), torchrack="0.1.0", operations={}
        ),
        content(
            merge([]),
            INSTALLED,
            commit=Commit("a" * 40, False),
            torchrack="0.1.0",
            operations={"Do it": "1"},
        ),
        content(
            merge([{"docker": Docker(live_restore=False)}]),
            INSTALLED,
            commit=Commit("a" * 40, False),
            **REST,
        ),
    ],
)
def test_any_other_change_counts(changed: dict[str, object]) -> None:
    assert not is_current(STAMP, changed)


@pytest.mark.parametrize("stamp", ["", "{", "[]", "null", json.dumps(WANTED)])
def test_a_missing_or_damaged_stamp_is_written_anew(stamp: str) -> None:
    assert not is_current(stamp, WANTED)


@pytest.mark.parametrize(
    ("old", "new"),
    [("29.6.1", "29.6.2"), ("ann@desk", "bob@desk"), ("2026", "2027"), ('"sha256": "', '"x": "')],
)
def test_an_edited_stamp_is_not_genuine(old: str, new: str) -> None:
    assert is_genuine(STAMP)
    assert not is_genuine(STAMP.replace(old, new))
    assert not is_current(STAMP.replace(old, new), WANTED)


def test_versions_as_a_host_says_them() -> None:
    lines = [
        "kernel=6.8.0-90-generic",
        "driver=NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build",
        "docker=29.6.1",
        "toolkit=1.19.1-1",
        "stamp=",
        *STAMP.splitlines(),
    ]
    found = InstalledVersions().process(lines)
    assert is_current(found.stamp, WANTED)
    assert (found.driver, found.docker, found.toolkit) == ("580.159.04", "29.6.1", "1.19.1-1")


def test_a_bare_host_has_no_versions() -> None:
    lines = ["kernel=6.12", "driver=", "docker=", "toolkit=", "stamp="]
    assert InstalledVersions().process(lines) == Installed(None, None, None, "6.12", "")


def test_an_odd_answer_stops_the_host() -> None:
    with pytest.raises(FactProcessError):
        InstalledVersions().process(["sh: 1: cannot fork"])


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, "-C", folder, *arguments], check=True, capture_output=True)


def test_the_commit_and_whether_the_tree_differs(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "One")
    clean = commit(tmp_path)
    assert clean is not None
    assert len(clean.revision) == 40
    assert not clean.dirty
    commit.cache_clear()
    (tmp_path / "file").write_text("2")
    assert commit(tmp_path) == Commit(clean.revision, True)


def test_no_commit_outside_of_git(tmp_path: Path) -> None:
    assert commit(tmp_path) is None


def test_who_and_which_version() -> None:
    assert "@" in person()
    assert torchrack_version()[0].isdigit()
