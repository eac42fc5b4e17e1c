"""The files of a new fleet's repository: all of them are written, or none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from torchrack import atomic
from torchrack.errors import Problem, ProblemsError
from torchrack.init.answers import NO_IMAGE, Answers
from torchrack.init.source import HERE, Source
from torchrack.operations.files import read, render

_LIMIT = 3600
"""Seconds that the nightly check may take, as torchrack drift install-timer has it."""


def files(answers: Answers, source: Source) -> dict[str, str]:
    """Return the files of a repository: path to text.

    Args:
        answers: what the fleet is.
        source: which Torchrack it uses.
    """
    values = {
        **vars(answers),
        "image": "" if answers.image == NO_IMAGE else answers.image,
        "source": source.place,
        "commit": source.commit,
    }
    hour, minute = answers.nightly.split(":")
    inventory = f"inventories/{answers.name}.py"
    return {
        "README.md": render("fleet/README.md.j2", **values),
        "Makefile": render("fleet/Makefile.j2", **values),
        ".gitignore": read("fleet/gitignore"),
        "deploy.py": (HERE / "deploy.py").read_text(encoding="utf-8"),
        inventory: render("fleet/inventory.py.j2", **values),
        f"inventories/{answers.name}.hosts.yml": render("fleet/hosts.yml.j2", **values),
        f"inventories/{answers.name}.waivers.yml": render("fleet/waivers.yml.j2", **values),
        "group_data/all.py": render("fleet/all.py.j2", **values),
        ".github/workflows/drift.yml": render(
            "controller/drift.ci.yml.j2",
            stem=answers.name,
            inventory=inventory,
            hour=int(hour),
            minute=int(minute),
            seconds=_LIMIT,
            minutes=_LIMIT // 60 + 10,
        ),
    }


def write(folder: Path, texts: Mapping[str, str]) -> list[str]:
    """Write the files that are not there yet; return their paths.

    Args:
        folder: the repository, which may have other files.
        texts: path to text.

    Raises:
        ProblemsError: a file is there with another content, or can't be written; nothing was.
    """
    problems = [p for path, text in texts.items() for p in _in_the_way(folder, path, text)]
    if problems:
        raise ProblemsError(f"{folder} has files of its own; nothing was written.", problems)
    missing = {path: text for path, text in texts.items() if not (folder / path).exists()}
    written: list[Path] = []
    try:
        if not folder.exists():
            _whole(folder, missing)
            return list(missing)
        for path, text in missing.items():
            atomic.write(folder / path, text)
            written.append(folder / path)
    except OSError as error:
        for file in written:
            file.unlink(missing_ok=True)
        fix = "name a folder that can be written"
        found = f"{error.filename or folder}: {error.strerror}"
        problem = Problem(str(folder), "Folder", found, "a folder for the fleet", fix)
        raise ProblemsError(f"{folder} can't be written.", [problem]) from None
    return list(missing)


def _in_the_way(folder: Path, path: str, text: str) -> list[Problem]:
    file = folder / path
    try:
        if not os.path.lexists(file) or file.read_text(encoding="utf-8") == text:
            return []
        found = "a file with another content"
    except (OSError, UnicodeDecodeError) as error:
        found = f"what can't be read: {error}"
    fix = "name another folder, or move it away; torchrack init overwrites nothing"
    return [Problem(str(file), "File", found, "no such file yet", fix)]


def _whole(folder: Path, texts: Mapping[str, str]) -> None:
    """Make a new folder that appears with all its files."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as made:
        inside = Path(made) / "repository"
        for path, text in texts.items():
            atomic.write(inside / path, text)
        inside.rename(folder)
