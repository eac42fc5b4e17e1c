"""daemon.json as it is without us: our keys gone, and the values back that they replaced. Pure."""

from __future__ import annotations

import json
from typing import Any

from torchrack.docker.daemon_json import Json, NotAnObjectError, dump, leaves, merge, parse
from torchrack.docker.hidden import PLACES


def without_ours(current: str | None, owned: str | None, original: str | None) -> str | None:
    """Return the file's text without what we put into it; None where no file is to be there.

    A key that somebody has given another value since stays as it is. Those that say where the
    engine's data is stay too: without them it would know nothing of its images and volumes.

    Args:
        current: its text; None where there is no file.
        owned: our record of the keys in it.
        original: its text from before us; None where there was no file.

    Raises:
        NotAnObjectError: the file is no JSON object.
    """
    if current is None:
        return None
    now = parse(current)
    ours: Json = {}
    for keys in _read(owned).values():
        ours = merge(ours, keys, {}) if isinstance(keys, dict) else ours
    places = (_nested(path, value) for path, value in leaves(ours) if path in PLACES)
    for place in places:
        ours = merge(ours, {}, place)
    before = _read(original)
    mine = {path for path, value in leaves(ours) if _at(now, path) == value}
    result = merge(now, {}, ours)
    for path, value in leaves(before):
        if path in mine:
            result = merge(result, _nested(path, value), {})
    if not result and original is None:
        return None
    return current if result == now else dump(result)


def _read(text: str | None) -> Json:
    try:
        return parse(text or "")
    except NotAnObjectError:
        return {}


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return ...
        value = value[key]
    return value


def _nested(path: tuple[str, ...], value: Any) -> Json:
    for key in reversed(path):
        value = {key: value}
    return dict(json.loads(json.dumps(value)))
