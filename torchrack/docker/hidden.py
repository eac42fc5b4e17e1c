"""What the next start of dockerd would take out of sight: containers, images, volumes. Pure.

Nothing is deleted by such a start, but the engine knows nothing of it any more, and the next
``docker run`` or prune works on an empty engine.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from torchrack.facts.docker import DaemonState, Engine, Root

DEFAULT = "/var/lib/docker"
PLACES = (
    *(("data-root",), ("storage-driver",), ("userns-remap",)),
    ("features", "containerd-snapshotter"),
)
"""Keys of daemon.json that say where the engine's data is."""
_WHAT = "Docker data"
_FIX = (
    "do not restart Docker until its owner has decided: {decide}. To move data, stop Docker and "
    "its socket, copy the folder with its attributes, change the option, and start Docker; nothing "
    "needs to be deleted for it"
)


def hidden(
    now: DaemonState, effective: Mapping[str, Any], engine: int
) -> Iterator[tuple[str, str, str, str]]:
    """Yield what, found, needed and fix of each change that hides data.

    Args:
        now: the daemon as it is.
        effective: daemon.json as it will be, with the flags.
        engine: major version that will run.
    """
    wanted = str(effective.get("data-root") or effective.get("graph") or DEFAULT)
    after = _root(now, wanted)
    if now.engine is None:
        yield from _stopped(now, after)
        return
    current = _without_user(now.engine.root) if now.engine.remapped else now.engine.root
    here = _root(now, current)
    held = _held(now.engine, here)
    if not held:
        return
    if after.real != here.real:
        yield (
            _WHAT,
            f"{held} in {current}, where the next start uses {wanted}"
            + ("" if wanted == after.real else f" ({after.real})"),
            "the same data root before and after a start: Docker would know nothing of them",
            _FIX.format(
                decide=f"keep {current} (data-root in {where_keys()}), or move the data to {wanted}"
            ),
        )
    elif now.engine.containers and not here.containers and here.path:
        yield (
            _WHAT,
            f"{held} in the running engine, and no container in the folder {current}",
            "the folder that the running engine uses: it was moved, or something is mounted there",
            _FIX.format(decide="bring the folder back that was there when Docker started"),
        )
    if bool(effective.get("userns-remap")) != now.engine.remapped:
        to = "on" if not now.engine.remapped else "off"
        yield (
            _WHAT,
            f"{held} in {now.engine.root}, and userns-remap goes {to} with the next start",
            "userns-remap as it is: it has a folder of its own",
            _FIX.format(decide=f"take the change of userns-remap back, in {where_keys()}"),
        )
    yield from _storage(now.engine, here, effective, engine)


def base_root(info: Mapping[str, Any]) -> str:
    """Return the data root as daemon.json would have it.

    Args:
        info: ``docker info``; empty where no engine answers.
    """
    root = str(info.get("DockerRootDir") or "")
    remapped = any("name=userns" in str(one) for one in info.get("SecurityOptions") or ())
    return _without_user(root) if remapped else root


def _without_user(root: str) -> str:
    """A data root without the folder that userns-remap adds to it ("/100000.100000")."""
    return re.sub(r"/\d+\.\d+$", "", root)


def where_keys() -> str:
    """Where a person sets such an option."""
    return "docker.extra, or /etc/docker/daemon.json"


def _storage(
    engine: Engine, here: Root, effective: Mapping[str, Any], version: int
) -> Iterator[tuple[str, str, str, str]]:
    if not engine.containers and not engine.images:
        return
    held = f"{engine.containers} container(s) and {engine.images} image(s)"
    features = effective.get("features")
    snapshotter = features.get("containerd-snapshotter") if isinstance(features, Mapping) else None
    if snapshotter is None:
        # From 29 on an engine keeps the store that it has; before, the old one is the default.
        snapshotter = engine.snapshotter and version >= 29 and not here.stores
    if snapshotter is not engine.snapshotter:
        old, new = (
            ("containerd's", "its own") if engine.snapshotter else ("its own", "containerd's")
        )
        yield (
            _WHAT,
            f"{held} in {old} image store, where the next start uses {new}",
            f"features.containerd-snapshotter: {str(engine.snapshotter).lower()}, as it is now",
            _FIX.format(decide=f"take the change back, in {where_keys()}"),
        )
        return
    driver = effective.get("storage-driver")
    if driver and driver != engine.driver:
        yield (
            _WHAT,
            f"{held} of the storage driver {engine.driver}, where the next start uses {driver}",
            "the same storage driver before and after a start: Docker would not show them",
            _FIX.format(decide=f"take the change of storage-driver back, in {where_keys()}"),
        )


def _stopped(now: DaemonState, after: Root) -> Iterator[tuple[str, str, str, str]]:
    """An engine that does not run would start empty, while another folder has its data."""
    if now.active in ("active", "reloading") or _folder(after):
        return
    others = [root for root in now.roots if root.real != after.real and _folder(root)]
    if others:
        found = ", ".join(f"{_folder(root)} in {root.real}" for root in others)
        yield (
            _WHAT,
            f"Docker stopped, {found}; its next start uses {after.path}, which is empty",
            "a data root with what Docker has: it would know nothing of them",
            _FIX.format(
                decide=f"set data-root to {others[0].real} in {where_keys()}, or move what is there"
            ),
        )


def _root(now: DaemonState, path: str) -> Root:
    """What is known of a folder; one that was not looked at is as it is written."""
    path = posixpath.normpath(path)
    for root in now.roots:
        if path in (posixpath.normpath(root.path), root.real):
            return root
    return Root("", path)


def _held(engine: Engine, here: Root) -> str:
    parts = (
        (engine.containers, "container(s)"),
        (engine.images, "image(s)"),
        (here.volumes, "volume(s)"),
    )
    return ", ".join(f"{count} {name}" for count, name in parts if count)


def _folder(root: Root) -> str:
    parts = ((root.containers, "container(s)"), (root.volumes, "volume(s)"))
    text = ", ".join(f"{count} {name}" for count, name in parts if count)
    return text or ("images" if root.stores else "")
