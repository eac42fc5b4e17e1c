"""Files of a lab for the person who called it through sudo."""

import os
from pathlib import Path

from lab.paths import cache_dir
from lab.state import Lab

# Root's for good: the servers' disks, and what is shared with the cache.
_KEPT = {"rootfs", "rootfs.new", "storage", "www"}


def give_to_caller(lab: Lab) -> None:
    """Hand the lab's own files to the person who called sudo: keys, state, passwords, logs."""
    uid, gid = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
    if os.geteuid() != 0 or uid is None or gid is None:
        return
    paths = [cache_dir(), cache_dir().parent]
    for folder, folders, files in os.walk(lab.directory):
        folders[:] = [name for name in folders if name not in _KEPT]
        paths += [Path(folder), *(Path(folder, name) for name in files)]
    for path in paths:
        if path.lstat().st_uid == 0:
            os.chown(path, int(uid), int(gid), follow_symlinks=False)
