"""Where the disks of all labs lie: a btrfs file system in one file, in which copies cost nothing.

A server's disk is a subvolume. A copy of it takes milliseconds, however large it is, and so does
its removal, which takes minutes for the files of a deployed server on some ext4. Where btrfs is not
to be had the disks are plain folders and are copied file by file.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.command import run, succeeds
from lab.paths import cache_dir

_GIB = 2**30
_LARGEST = 64 * _GIB
# Disks of a lab are not worth a wait for the platter: after a power cut a lab is made again.
_OPTIONS = "loop,noatime,nodatasum,nobarrier,nodiscard,commit=300,user_subvol_rm_allowed"


def ensure() -> Path:
    """Return the pool's folder, mounted; made if the cache has none."""
    folder = cache_dir() / "pool"
    with _lock():
        if not folder.is_mount() and _has_btrfs():
            folder.mkdir(parents=True, exist_ok=True)
            image = folder.with_suffix(".img")
            if not image.exists():
                _make(image)
            run(["mount", "-t", "btrfs", "-o", _OPTIONS, image, folder])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def release() -> None:
    """Unmount the pool; its content stays in the cache."""
    folder = cache_dir() / "pool"
    with _lock():
        if folder.is_mount():
            run(["umount", folder])


def copy(source: Path, target: Path) -> None:
    """Copy a disk, in use or not, to `target`, which is not there yet.

    A copy of a disk in use is what a power cut would leave of it, with everything written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if _is_subvolume(source):
        run(["btrfs", "subvolume", "snapshot", source, target])
    else:
        run(["cp", "--archive", "--reflink=auto", "--one-file-system", source, target])


def create(disk: Path) -> None:
    """Make the empty folder `disk` for a disk to come."""
    disk.parent.mkdir(parents=True, exist_ok=True)
    if _is_btrfs(disk.parent):
        run(["btrfs", "subvolume", "create", disk])
    else:
        disk.mkdir()


def remove(disk: Path) -> None:
    """Remove a disk that is not in use, if it is there."""
    if _is_subvolume(disk):
        # systemd makes some of its folders subvolumes of their own.
        listed = run(["btrfs", "subvolume", "list", "-o", disk]).splitlines()
        paths = [cache_dir() / "pool" / line.split(" path ", 1)[1] for line in listed]
        for path in [*sorted(paths, reverse=True), disk]:
            run(["btrfs", "subvolume", "delete", path])
    else:
        run(["rm", "-rf", "--one-file-system", disk])


def _make(image: Path) -> None:
    aside = image.with_suffix(".new")
    aside.unlink(missing_ok=True)
    size = min(_LARGEST, shutil.disk_usage(image.parent).free)
    with aside.open("wb") as file:
        os.truncate(file.fileno(), size)
    run(["mkfs.btrfs", "--quiet", "--metadata", "single", "--nodiscard", aside])
    aside.rename(image)


def _has_btrfs() -> bool:
    known = "btrfs" in Path("/proc/filesystems").read_text().split()
    return (known or succeeds(["modprobe", "btrfs"])) and shutil.which("mkfs.btrfs") is not None


def _is_btrfs(folder: Path) -> bool:
    return run(["stat", "--file-system", "--format=%T", folder]).strip() == "btrfs"


def _is_subvolume(path: Path) -> bool:
    """Return whether `path` is the root of a subvolume: btrfs gives each of them the inode 256."""
    return path.is_dir() and path.stat().st_ino == 256 and _is_btrfs(path)


@contextmanager
def _lock() -> Iterator[None]:
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "pool.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
