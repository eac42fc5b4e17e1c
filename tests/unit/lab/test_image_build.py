"""Which build the cache is asked for, and with which words buildah is called."""

import os
import shutil
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.image import build, buildah


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "recipe"
    shutil.copytree(build.HERE, copy)
    monkeypatch.setattr(build, "HERE", copy)
    monkeypatch.setattr(build.store, "ensure", lambda target, _build: target)
    return copy


@pytest.mark.parametrize(
    "changed", ["Containerfile", "commands/torchrack-sshd", "settings/profile.sh"]
)
def test_a_changed_recipe_is_another_image(recipe: Path, tmp_path: Path, changed: str) -> None:
    before = build.ensure(tmp_path)
    assert before == build.ensure(tmp_path)
    tools = build.ensure_tools(tmp_path)
    with (recipe / changed).open("a") as file:
        file.write("# changed\n")
    assert build.ensure(tmp_path) != before
    assert build.ensure_tools(tmp_path) == tools


def test_the_tools_have_two_versions(recipe: Path, tmp_path: Path) -> None:
    assert recipe.is_dir()
    assert len(set(build.ensure_tools(tmp_path))) == 2


def test_another_user_than_root_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="needs root; run it with sudo"):
        build.ensure(tmp_path)


def test_buildah_uses_no_engine_and_no_storage_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(
        buildah, "run", lambda words: calls.append([str(word) for word in words]) or "container\n"
    )
    tool = buildah.Buildah(tmp_path)
    tool.import_archive(tmp_path / "base.tar", "localhost/base")
    tool.build(
        tmp_path / "context",
        tmp_path / "out",
        labels={"io.torchrack.cuda": "none"},
        arguments={"VERSION": "1.0"},
        volumes={tmp_path / "wheels": "/wheels"},
    )
    assert len(calls) == 4
    for call in calls:
        assert call[call.index("buildah") + 1 :][:2] == ["--root", str(tmp_path / "storage")]
    assert {
        "--isolation=chroot",
        "--pull-never",
        "--label=io.torchrack.cuda=none",
        "--build-arg=VERSION=1.0",
        f"--volume={tmp_path}/wheels:/wheels:ro",
        f"--tag=oci:{tmp_path}/out",
    } <= set(calls[-1])
