"""The bare server's disk: made once by mmdebstrap, kept in the cache as a tar archive."""

import fcntl
import hashlib
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import apt, kernel, pool
from lab.command import run
from lab.requirements import packages

PACKAGES = packages(Path(__file__).with_name("rootfs.txt").read_text())

# So that a killed command leaves nobody who still writes into the directory the next one uses.
_DIE_WITH_US = ["setpriv", "--pdeathsig", "TERM", "--"]
_RECIPE = 2  # raised when the way of making it changes
_KEEP_SECONDS = 30 * 24 * 3600


def ensure(cache: Path, suite: str, *more: str) -> Path:
    """Return the archive of a bare root file system of `suite`, made if the cache has none.

    It depends on the package list (with `more` packages) and the running kernel's release, not on
    the mirror.
    """
    folder = cache / "rootfs"
    wanted = [*PACKAGES, *more]
    archive = folder / f"{suite}-{_key(suite, wanted)}.tar"
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / f"{archive.stem}.lock" if more else folder / f"{suite}.lock"):
        if not archive.exists():
            _build(suite, wanted, archive)
            _forget_old(folder)
        archive.touch()
    return archive


def bare(archive: Path) -> Path:
    """Return the disk that `archive` holds, unpacked in the pool when it is first asked for."""
    folder = pool.ensure() / "bare"
    disk = folder / archive.stem
    folder.mkdir(exist_ok=True)
    with _lock(folder / f"{archive.stem}.lock"):
        if not disk.exists():
            for other in folder.iterdir():
                if other.is_dir() and not archive.with_name(f"{other.name}.tar").exists():
                    pool.remove(other)
            aside = folder / f"{archive.stem}.new"
            pool.remove(aside)
            _unpack(archive, aside)
            aside.rename(disk)
    return disk


def _unpack(archive: Path, disk: Path) -> None:
    """Unpack `archive` into the new folder `disk`, owners and attributes included."""
    pool.create(disk)
    keep = ["--preserve-permissions", "--numeric-owner", "--xattrs", "--xattrs-include=*"]
    run([*_DIE_WITH_US, "tar", "--extract", *keep, "--file", archive, "--directory", disk])


def _key(suite: str, wanted: list[str]) -> str:
    distribution, _ = apt.distribution()
    parts = [_RECIPE, distribution, suite, kernel.release(), kernel.architecture(), wanted]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def _build(suite: str, wanted: list[str], archive: Path) -> None:
    for leftover in archive.parent.glob(f".{suite}-*"):
        run(["rm", "-rf", "--one-file-system", leftover])
    with tempfile.TemporaryDirectory(prefix=f".{suite}-", dir=archive.parent) as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)  # apt downloads as a user of its own
        (folder / "mirror.sources").write_text(apt.deb822(suite))
        (folder / "apt.conf").write_text(apt.configuration())
        kernels = kernel.build(folder)
        names = " ".join(f"/root/{package.name}" for package in kernels)
        hooks = [
            f"copy-in {' '.join(str(package) for package in kernels)} /root",
            f'chroot "$1" dpkg -i {names}',
            f'chroot "$1" rm {names}',
            # Each server gets its own of these when its disk is made.
            'rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/machine-id "$1"/etc/hostname',
            'rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*',
            'rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap',
        ]
        run(
            [*_DIE_WITH_US, "mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar"]
            + [f"--include={','.join(wanted)}", f"--aptopt={folder / 'apt.conf'}"]
            # A server that is in use has lists; without them each deploy would fetch them all.
            + ["--skip=cleanup/apt/lists", '--aptopt=Acquire::Languages "none"']
            + [f"--customize-hook={hook}" for hook in hooks]
            + [suite, folder / "root.tar", folder / "mirror.sources"],
            env={"DEBIAN_FRONTEND": "noninteractive", "TMPDIR": str(folder)},
        )
        (folder / "root.tar").rename(archive)


def _forget_old(folder: Path) -> None:
    """Remove archives that no lab has used for a month: of former kernels, of former recipes."""
    for archive in folder.glob("*.tar"):
        if time.time() - archive.stat().st_mtime > _KEEP_SECONDS:
            archive.unlink(missing_ok=True)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
