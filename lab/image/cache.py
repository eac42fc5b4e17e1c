"""Things that are built once and kept in the cache, by the name of their content's recipe."""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_UNUSED_DAYS = 7


def key(files: Iterable[Path], *values: object) -> str:
    """Return 12 hex digits for the names and contents of `files` and for `values`."""
    digest = hashlib.sha256(json.dumps(values).encode())
    for path in sorted(files):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def ensure(target: Path, build: Callable[[Path], Path]) -> Path:
    """Return `target`, built by `build` if it is not there; one process at a time builds.

    Parameters:
        build: is given an empty directory on the same file system as `target`, and returns
            what in it becomes `target`.
    """
    if target.exists():
        os.utime(target)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    kind = target.name.rpartition("-")[0]
    with (target.parent / f".{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return target
        # What a killed build left: nobody else can be building while we hold the lock.
        for stale in target.parent.glob(f".{kind}.build-*"):
            shutil.rmtree(stale)
        work = Path(tempfile.mkdtemp(prefix=f".{kind}.build-", dir=target.parent))
        work.chmod(0o755)
        try:
            build(work).rename(target)
        finally:
            shutil.rmtree(work)
        _forget_unused(target.parent, kind)
    return target


def _forget_unused(folder: Path, kind: str) -> None:
    """Remove what older recipes left and nobody has asked for in _UNUSED_DAYS."""
    oldest = time.time() - _UNUSED_DAYS * 86400
    for path in folder.glob(f"{kind}-*"):
        if path.stat().st_mtime >= oldest:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
