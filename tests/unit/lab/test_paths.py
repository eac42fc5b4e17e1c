"""Directories: from the environment, or beside the code and in the home."""

from pathlib import Path

import pytest

from lab import paths


def test_the_environment_names_both_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHRACK_LAB", "/some/lab")
    monkeypatch.setenv("TORCHRACK_LAB_CACHE", "~/cache")
    assert paths.lab_dir() == Path("/some/lab")
    assert paths.cache_dir() == Path.home() / "cache"


def test_without_it_the_lab_is_in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHRACK_LAB", raising=False)
    assert paths.lab_dir() == paths.REPOSITORY / ".lab"
    assert (paths.REPOSITORY / "pyproject.toml").is_file()


def test_ids_differ_by_directory_and_fit_an_interface_name() -> None:
    first, second = paths.lab_id(Path("/a/.lab")), paths.lab_id(Path("/b/.lab"))
    assert first != second
    assert first == paths.lab_id(Path("/a/.lab"))
    assert len(f"trk{first}-255") <= 15
