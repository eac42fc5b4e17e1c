"""What was deployed: made from the settings, the deploy repository and what is installed. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torchrack.facts.stamp import Installed
from torchrack.settings import Settings

SCHEMA = 1
_SUM = "sha256"
"""Key of the hash of all the rest."""
_SERVER = "server"
"""Key of which server it is. It is written with the rest, and no reason to write: what an earlier
version has deployed stays as it is."""


@dataclass(frozen=True)
class Commit:
    """A commit of the deploy repository.

    Args:
        revision: its id, 40 hex digits.
        dirty: whether the working tree differs from it.
    """

    revision: str
    dirty: bool


def content(
    settings: Settings,
    installed: Installed,
    *,
    commit: Commit | None,
    torchrack: str,
    operations: Mapping[str, str],
) -> dict[str, Any]:
    """Return what the stamp says, without who wrote it and when.

    Args:
        settings: the host's settings.
        installed: versions found on the host.
        commit: the deploy repository's commit; None outside of git.
        torchrack: Torchrack's version.
        operations: name of each operation to a short hash of what it declared.
    """
    return {
        "schema": SCHEMA,
        "torchrack": torchrack,
        "commit": asdict(commit) if commit else None,
        "settings_sha256": settings.sha256(),
        "versions": {
            "driver": installed.driver,
            "docker": installed.docker,
            "toolkit": installed.toolkit,
            "kernel": installed.kernel,
        },
        "images": dict(sorted(settings.images.catalog.items())),
        "operations": dict(sorted(operations.items())),
    }


def value(stamp: str, key: str) -> Any:
    """Return what a stamp says under a key; None where it says nothing or is none."""
    try:
        found = json.loads(stamp)
    except ValueError:
        return None
    return found.get(key) if isinstance(found, dict) else None


def is_current(stamp: str, wanted: dict[str, Any]) -> bool:
    """Whether a stamp is as it was written, and says what is wanted, whoever wrote it whenever.

    Args:
        stamp: its text, which may be empty or damaged.
        wanted: what :func:`content` returned.
    """
    if not is_genuine(stamp):
        return False
    found = json.loads(stamp)
    about = ("who", "when", _SERVER, _SUM)
    return {key: value for key, value in found.items() if key not in about} == wanted


def is_genuine(stamp: str) -> bool:
    """Whether a stamp is as it was written: no proof against forgery, but against edits.

    Args:
        stamp: its text, which may be empty or damaged.
    """
    try:
        found = json.loads(stamp)
    except ValueError:
        return False
    if not isinstance(found, dict) or not (found.get("who") and found.get("when")):
        return False
    return bool(found.pop(_SUM, None) == _sum(found))


def _sum(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def text(wanted: dict[str, Any], *, who: str, when: str, server: str = "") -> str:
    """Return the stamp as it is written.

    Args:
        wanted: what :func:`content` returned.
        who: user and machine that deployed.
        when: the time, ISO 8601 in UTC.
        server: which server it is, for :mod:`torchrack.same_server`; empty: not known.
    """
    data = {**wanted, "who": who, "when": when} | ({_SERVER: server} if server else {})
    return json.dumps({**data, _SUM: _sum(data)}, indent=2) + "\n"
