"""What is built once, kept under the name of its recipe, and never left half made."""

import os
import threading
import time
from pathlib import Path

import pytest

from lab.image import cache


def _build(content: str, calls: list[str]):
    def build(work: Path) -> Path:
        calls.append(content)
        made = work / "made"
        made.mkdir()
        (made / "file").write_text(content)
        return made

    return build


def test_key_depends_on_name_content_and_values(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    first = cache.key([file], 1)
    assert first == cache.key([file], 1)
    assert len(first) == 12
    file.write_text("two")
    assert cache.key([file], 1) != first
    renamed = file.rename(tmp_path / "b")
    renamed.write_text("one")
    assert cache.key([renamed], 1) != first
    assert cache.key([], 1) != cache.key([], 2)


def test_a_target_is_built_once(tmp_path: Path) -> None:
    calls: list[str] = []
    target = tmp_path / "image" / "thing-abc"
    assert cache.ensure(target, _build("x", calls)) == target
    assert cache.ensure(target, _build("y", calls)) == target
    assert (target / "file").read_text() == "x"
    assert calls == ["x"]
    assert {path.name for path in target.parent.iterdir()} == {"thing-abc", ".thing.lock"}


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail(work: Path) -> Path:
        (work / "half").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        cache.ensure(tmp_path / "thing-abc", fail)
    assert [path.name for path in tmp_path.iterdir()] == [".thing.lock"]


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    stale = tmp_path / ".thing.build-old"
    stale.mkdir()
    other = tmp_path / ".thing-else.build-running"
    other.mkdir()
    cache.ensure(tmp_path / "thing-abc", _build("x", []))
    assert not stale.exists()
    assert other.exists()


def test_recipes_out_of_use_are_forgotten(tmp_path: Path) -> None:
    old, recent, other = (tmp_path / name for name in ("thing-1", "thing-2", "tool-1"))
    for path in (old, recent, other):
        path.mkdir()
    long_ago = time.time() - 30 * 86400
    os.utime(old, (long_ago, long_ago))
    os.utime(other, (long_ago, long_ago))
    cache.ensure(tmp_path / "thing-3", _build("x", []))
    assert not old.exists()
    assert recent.exists()
    assert other.exists()


def test_asking_for_a_target_keeps_it_in_use(tmp_path: Path) -> None:
    target = cache.ensure(tmp_path / "thing-1", _build("x", []))
    os.utime(target, (0, 0))
    cache.ensure(target, _build("y", []))
    assert target.stat().st_mtime > time.time() - 60


def test_two_at_once_build_once(tmp_path: Path) -> None:
    calls: list[str] = []
    entered, leave = threading.Event(), threading.Event()
    target = tmp_path / "thing-abc"

    def slow(work: Path) -> Path:
        entered.set()
        assert leave.wait(10)
        return _build("slow", calls)(work)

    first = threading.Thread(target=cache.ensure, args=(target, slow))
    first.start()
    assert entered.wait(10)
    second = threading.Thread(target=cache.ensure, args=(target, _build("second", calls)))
    second.start()
    leave.set()
    first.join(10)
    second.join(10)
    assert calls == ["slow"]
