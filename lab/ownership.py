"""Files of a lab for the person who called it through sudo."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.paths import cache_dir

# Root's for good: the servers' disks, and what is shared with the cache.
_KEPT = {"rootfs", "rootfs.new", "storage", "www"}


@contextmanager
def given_to_caller(directory: Path) -> Iterator[None]:
    """Hand the lab's own files (keys, state, logs) to whoever called sudo, at the end."""
    try:
        yield
    finally:
        uid, gid = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
        if os.geteuid() == 0 and uid is not None and gid is not None:
            _give(directory, int(uid), int(gid))


def _give(directory: Path, uid: int, gid: int) -> None:
    paths = [cache_dir(), cache_dir().parent]
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if name not in _KEPT]
        paths += [Path(folder), *(Path(folder, name) for name in files)]
    for path in paths:
        with suppress(FileNotFoundError):
            if path.lstat().st_uid == 0:
                os.chown(path, uid, gid, follow_symlinks=False)
