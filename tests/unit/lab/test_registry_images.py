"""A ready registry storage from the cache, put into a lab without harm to either."""

import json
from pathlib import Path

import pytest

from lab.registry import images, server

BLOB = "docker/registry/v2/blobs/sha256/aa/aabb/data"
TAG = "docker/registry/v2/repositories/torchrack/tools/_manifests/tags/1.0/current/link"


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    storage = tmp_path / "cache/storage"
    for name, content in ((BLOB, "blob"), (TAG, "sha256:aabb")):
        path = storage / name
        path.parent.mkdir(parents=True)
        path.write_text(content)
    (storage / "torchrack-images.json").write_text(
        json.dumps({"tools": ["torchrack/tools:1.0", "sha256:aabb"]})
    )
    monkeypatch.setattr(images, "ensure", lambda _cache: storage)
    return storage


def _provide(tmp_path: Path) -> Path:
    found = images.provide(tmp_path / "lab", tmp_path / "cache", "10.86.7.1:5000")
    assert found["tools"].reference == "10.86.7.1:5000/torchrack/tools:1.0"
    assert found["tools"].digest == "sha256:aabb"
    return server.storage(tmp_path / "lab")


def test_blobs_are_linked_and_tags_copied(ready: Path, tmp_path: Path) -> None:
    storage = _provide(tmp_path)
    assert (storage / BLOB).samefile(ready / BLOB)
    assert not (storage / TAG).samefile(ready / TAG)
    assert (storage / TAG).read_text() == "sha256:aabb"


def test_what_was_pushed_to_the_lab_stays_and_moved_tags_come_back(
    ready: Path, tmp_path: Path
) -> None:
    storage = _provide(tmp_path)
    pushed = storage / "docker/registry/v2/blobs/sha256/cc/ccdd/data"
    pushed.parent.mkdir(parents=True)
    pushed.write_text("pushed")
    (storage / TAG).write_text("sha256:ccdd")
    assert _provide(tmp_path) == storage
    assert pushed.read_text() == "pushed"
    assert (storage / TAG).read_text() == "sha256:aabb"
    assert (ready / TAG).read_text() == "sha256:aabb"


def test_blobs_are_copied_where_links_cannot_reach(
    ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(images.os, "link", refuse)
    storage = _provide(tmp_path)
    assert (storage / BLOB).read_text() == "blob"
    assert not (storage / BLOB).samefile(ready / BLOB)
    assert [path.name for path in (storage / BLOB).parent.iterdir()] == ["data"]
