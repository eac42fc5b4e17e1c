"""daemon.json as data: whose key is whose, how ours and others' are merged, what a change needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

Json = dict[str, Any]
Path = tuple[str, ...]
Step = Literal["none", "reload", "restart"]

# What dockerd takes up at SIGHUP (moby, daemon/reload.go and daemon/reload_unix.go). "features" is
# read there too, but the CDI driver and the image store are chosen at start alone.
_RELOADED = frozenset(
    {
        "debug",
        "default-runtime",
        "default-shm-size",
        "insecure-registries",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "registry-mirrors",
        "runtimes",
        "shutdown-timeout",
    }
)
# Of these, a missing key goes back to its default at a reload; the others keep their last value.
_RESET_BY_RELOAD = frozenset(
    {"max-concurrent-downloads", "max-concurrent-uploads", "max-download-attempts"}
)


class NotAnObjectError(ValueError):
    """The text is not a JSON object; the message says where it stops being one."""


def parse(text: str) -> Json:
    """Return the object that ``text`` holds; dockerd takes an empty file for an empty object.

    Raises:
        NotAnObjectError: it is not JSON, or not an object.
    """
    if not text.strip():
        return {}
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise NotAnObjectError(
            f"no JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        ) from None
    if not isinstance(value, dict):
        raise NotAnObjectError(f"JSON, but {type(value).__name__} in place of an object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    """A repeated key would silently lose a value, which may not be ours."""
    keys = [key for key, _ in pairs]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise NotAnObjectError(f"JSON with {', '.join(map(repr, twice))} more than once")
    return dict(pairs)


def dump(value: Json) -> str:
    """Return the file's text: in the given order, as people indent it."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def leaves(value: Mapping[str, Any], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield each path with a value that is no object (lists and empty objects are values)."""
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from leaves(inner, (*path, key))
        else:
            yield (*path, key), inner


def merge(current: Json, declared: Json, owned: Json, others: Json | None = None) -> Json:
    """Return ``current`` with our keys as declared and everybody else's untouched.

    Args:
        current: what the file holds now.
        declared: the keys we want, to their innermost level.
        owned: what we declared when we last wrote. A key that is no longer declared goes, unless
            somebody has given it another value since: then it is theirs.
        others: what further owners among us declared; it stays.
    """
    result: Json = json.loads(json.dumps(current))
    wanted = dict(leaves(declared))
    kept = wanted.keys() | dict(leaves(others or {})).keys()
    for path, value in leaves(owned):
        if path not in kept and _get(result, path) == value:
            _remove(result, path)
    for path, value in wanted.items():
        _set(result, path, value)
    return result


def step(before: Json, after: Json) -> Step:
    """Say what a running dockerd needs to go from one configuration to another."""
    changed = {
        key for key in before.keys() | after.keys() if before.get(key, ...) != after.get(key, ...)
    }
    if not changed:
        return "none"
    reloaded = all(
        key in _RESET_BY_RELOAD or (key in _RELOADED and key in after) for key in changed
    )
    return "reload" if reloaded else "restart"


def _get(value: Json, path: Path) -> Any:
    inner: Any = value
    for key in path:
        if not isinstance(inner, dict) or key not in inner:
            return ...
        inner = inner[key]
    return inner


def _set(value: Json, path: Path, leaf: Any) -> None:
    for key in path[:-1]:
        if not isinstance(value.get(key), dict):
            value[key] = {}
        value = value[key]
    # An empty object asks for the object only; what others put into it stays.
    if not (leaf == {} and isinstance(value.get(path[-1]), dict)):
        value[path[-1]] = leaf


def _remove(value: Json, path: Path) -> None:
    """Remove a leaf, and the objects that become empty by that."""
    parents = [value]
    for key in path[:-1]:
        parents.append(parents[-1][key])
    del parents[-1][path[-1]]
    for parent, key in zip(reversed(parents[:-1]), reversed(path[:-1]), strict=True):
        if parent[key]:
            break
        del parent[key]
