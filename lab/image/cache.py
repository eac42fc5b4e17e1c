"""Things that are built once and kept in the cache, by the name of their content's recipe."""

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path


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
    return target
