"""Which facts a host was asked for last time, so that all of them go over in the first trip.

A guess, never an answer: what is missing is asked for afterwards, what is too much is ignored.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from torchrack import atomic
from torchrack.facts.answers import Request


def path_of(inventory: str) -> Path:
    """Return the file of a fleet, below the user's cache folder (XDG base directories)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    resolved = str(Path(inventory).resolve())
    name = f"{Path(inventory).stem}-{hashlib.sha256(resolved.encode()).hexdigest()[:12]}.json"
    return Path(base) / "torchrack" / "drift" / name


def recall(path: Path) -> dict[str, list[Request]]:
    """Return host to requests; empty where nothing, or nothing readable, is there."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        commands, hosts = data["commands"], data["hosts"]
        return {
            host: [Request(commands[number][0], int(commands[number][1])) for number in numbers]
            for host, numbers in hosts.items()
        }
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return {}


def remember(path: Path, asked: Mapping[str, Sequence[Request]]) -> None:
    """Keep what hosts were asked for; a disk that can't be written costs a round trip, no more."""
    commands: dict[Request, int] = {}
    hosts = {
        host: [commands.setdefault(request, len(commands)) for request in requests]
        for host, requests in asked.items()
    }
    data = {"commands": [[one.command, one.seconds] for one in commands], "hosts": hosts}
    try:
        atomic.write(path, json.dumps(data), mode=0o600)
    except OSError:
        return
