"""Where a deploy comes from: the repository's commit, the person, Torchrack's version."""

from __future__ import annotations

import getpass
import re
import socket
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from torchrack.stamp.content import Commit

TIMEOUT = 10
"""Seconds that git may take; a repository on a dead network drive must not hang the deploy."""


@lru_cache
def commit(folder: Path) -> Commit | None:
    """Return the commit that is checked out in a folder; None outside of git or without git.

    Args:
        folder: a directory of the working tree.
    """
    revision = _git(folder, "rev-parse", "--verify", "HEAD")
    status = _git(folder, "status", "--porcelain")
    if revision is None or status is None:
        return None
    return Commit(revision.strip(), dirty=bool(status.strip()))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def person() -> str:
    """Return user@machine of whoever runs the deploy."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a uid without a name, as in containers
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


@lru_cache
def torchrack_version() -> str:
    """Return Torchrack's version, from its installed package or its pyproject.toml."""
    try:
        return version("torchrack")
    except PackageNotFoundError:
        project = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
        found = re.search(r'^version = "([^"]+)"', project, re.MULTILINE)
        return found[1] if found else "unknown"
