"""Which Torchrack a new fleet uses: the commit that runs here, where others can get it as well."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

HERE = Path(__file__).parents[2]
"""The folder that this Torchrack runs from."""


@dataclass(frozen=True)
class Source:
    """Where Torchrack comes from.

    Args:
        place: a git URL, or a folder of this machine.
        commit: the commit of the URL; "" for a folder, which is used as it is.
    """

    place: str
    commit: str = ""


def of(folder: Path = HERE) -> Source:
    """Return the source of the Torchrack in a folder.

    Its git remote is only named where it has the commit; credentials in the URL are left out.

    Args:
        folder: the folder.
    """
    url = _git(folder, "remote", "get-url", "origin")
    commit = _git(folder, "rev-parse", "HEAD")
    shared = _git(folder, "branch", "--remotes", "--contains", "HEAD")
    changed = _git(folder, "status", "--porcelain")
    if url and commit and shared and not changed and _is_url(url):
        return Source(_without_login(url), commit)
    return Source(str(folder))


def _is_url(text: str) -> bool:
    return bool(re.match(r"(https?|ssh|git)://|[\w.-]+@[\w.-]+:", text))


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
