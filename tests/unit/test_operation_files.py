"""Files are put privately, validated, atomically, and their predecessor is kept."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest

from tests.unit.local_run import Outcome, run_locally
from torchrack.operations import files

OWNER = pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(os.getgid()).gr_name


@pytest.fixture(autouse=True)
def kept(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a host keeps in /var/lib/torchrack."""
    folder = tmp_path_factory.mktemp("kept")
    for name in ("PREVIOUS", "ORIGINALS", "WRITTEN"):
        monkeypatch.setattr(files, name, str(folder / name.lower()))
    return folder


def put(dest: Path, content: str | bytes, **arguments: object) -> Outcome:
    return run_locally(
        files.put,
        name="Put it",
        dest=str(dest),
        content=content,
        owner=OWNER,
        group=GROUP,
        **arguments,
    )


def test_makes_the_file_and_its_folder(tmp_path: Path) -> None:
    dest = tmp_path / "a folder" / "it's.conf"
    assert put(dest, "x = 1\n", mode="0640").ok
    assert dest.read_text() == "x = 1\n"
    assert dest.stat().st_mode & 0o7777 == 0o640


def test_does_nothing_the_second_time(tmp_path: Path) -> None:
    dest = tmp_path / "file"
    assert put(dest, "same\n").commands == 1
    inode = dest.stat().st_ino
    assert put(dest, "same\n").commands == 0
    assert dest.stat().st_ino == inode


def test_mends_the_mode_alone(tmp_path: Path) -> None:
    dest = tmp_path / "file"
    put(dest, "same\n", mode="0600")
    dest.chmod(0o666)
    assert put(dest, "same\n", mode="0600").commands == 1
    assert dest.stat().st_mode & 0o7777 == 0o600


def test_keeps_the_predecessor(tmp_path: Path, kept: Path) -> None:
    dest = tmp_path / "file"
    put(dest, "old\n")
    put(dest, "new\n")
    assert dest.read_text() == "new\n"
    assert Path(f"{kept}/previous{dest}").read_text() == "old\n"


def test_keeps_what_was_there_before_ours_for_good(tmp_path: Path, kept: Path) -> None:
    dest = tmp_path / "file"
    dest.write_text("theirs\n")
    put(dest, "ours\n")
    put(dest, "ours, newer\n")
    assert Path(f"{kept}/originals{dest}").read_text() == "theirs\n"
    assert (kept / "written").read_text() == f"{dest}\n"


def test_a_file_of_ours_has_no_original(tmp_path: Path, kept: Path) -> None:
    dest = tmp_path / "file"
    put(dest, "ours\n")
    put(dest, "ours, newer\n")
    assert not (kept / "originals").exists()
    assert (kept / "written").read_text() == f"{dest}\n"


def test_refused_content_leaves_the_old_file(tmp_path: Path) -> None:
    dest = tmp_path / "file"
    put(dest, "good\n")
    outcome = put(dest, "bad\n", validate="grep -q good {}")
    assert not outcome.ok
    assert dest.read_text() == "good\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"], "nothing half-written stays"


def test_content_stands_in_no_command(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    assert put(tmp_path / "secret", "hunter2-hunter2\n", mode="0600", secret=True).ok
    assert "hunter2" not in caplog.text
    assert "aHVudGVyMi" not in caplog.text, "not in base64 either"


def test_content_of_any_bytes(tmp_path: Path) -> None:
    dest = tmp_path / "file"
    content = bytes(range(256)) * 4096
    assert run_locally(
        files.put, name="Put it", dest=str(dest), content=content, owner=OWNER, group=GROUP
    ).ok
    assert dest.read_bytes() == content


def test_an_operation_without_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="needs a name"):
        run_locally(files.put, dest=str(tmp_path / "file"), content="secret")
