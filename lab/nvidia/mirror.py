"""Build the tree that the lab's package mirror serves, and start its server.

Building takes seconds and is cached by the content of everything that goes into it; a lab's own
copy is hard links.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import atomic, paths
from lab.errors import LabError
from lab.nvidia import deb, repository, signing
from lab.nvidia.catalog import Package, Repository, repositories
from lab.nvidia.keyring import keyring_package

HERE = Path(__file__).parent
# NVIDIA serves its key under its short id beside the packages, and under this name for the toolkit.
CUDA_KEY_NAME = "3bf863cc.pub"
TOOLKIT_KEY = "libnvidia-container/gpgkey"


@dataclass(frozen=True)
class MirrorFiles:
    """What a lab needs of its mirror: what to serve, the public key, its fingerprint."""

    root: Path
    key_file: Path
    key_fingerprint: str


def build(target: Path, cache: Path) -> MirrorFiles:
    """Put the mirror's files into `target` (`www/` and `lab-nvidia.asc`), built once in `cache`.


    Raises:
        LabError: a build tool is missing or failed, with its own words.
    """
    deb.require_tools()
    home = cache / "nvidia"
    with _lock(home):
        key = signing.load_or_create(home)
        built = home / _content_hash(key.fingerprint)
        if not built.is_dir():
            _build_tree(built, key)
            _forget_others(home, built)
        root = target / "www"
        _link_tree(built, root)
    key_file = target / "lab-nvidia.asc"
    atomic.write(key_file, key.public)
    return MirrorFiles(root, key_file, key.fingerprint)


def start(lab_dir: Path, root: Path, address: str, port: int = 8080) -> int:
    """Start the HTTP server for `root` in a session of its own and return its pid.

    It logs to `lab_dir`/mirror.log, writes `lab_dir`/mirror.pid, and reads `lab_dir`/faults.json
    at each request (see lab.nvidia.serve). Returns once it listens.

    Raises:
        LabError: it does not start, with the end of its log.
    """
    log = lab_dir / "mirror.log"
    ready, tell_ready = os.pipe()
    command = [
        sys.executable,
        "-m",
        "lab.nvidia.serve",
        str(lab_dir),
        str(root),
        address,
        str(port),
    ]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*command, str(tell_ready)],
            cwd=paths.REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            pass_fds=[tell_ready],
            start_new_session=True,
        )
    os.close(tell_ready)
    with os.fdopen(ready, "rb") as pipe:
        # The server writes one byte when it listens; if it dies first the pipe just ends.
        if not pipe.read(1):
            tail = log.read_text(errors="replace").splitlines()[-3:]
            raise LabError(f"the mirror did not start on {address}:{port}: {' / '.join(tail)}")
    atomic.write(lab_dir / "mirror.pid", f"{process.pid}\n")
    return process.pid


@contextmanager
def _lock(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _content_hash(fingerprint: str) -> str:
    digest = hashlib.sha256(fingerprint.encode())
    for path in sorted(HERE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".md":
            digest.update(str(path.relative_to(HERE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:20]


def _forget_others(home: Path, keep: Path) -> None:
    for path in home.iterdir():
        if path.is_dir() and path != keep:
            shutil.rmtree(path, ignore_errors=True)


def _build_tree(built: Path, key: signing.SigningKey) -> None:
    work = Path(tempfile.mkdtemp(prefix=".build-", dir=built.parent))
    try:
        wanted = repositories()
        pool = work / "pool"
        _build_pool(pool, wanted)
        www = work / "www"
        _lay_out(www, pool, wanted, key)
        www.rename(built)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _pool_dir(package: Package) -> str:
    # Both families have packages of one name and version whose content differs.
    return package.family


def _build_pool(pool: Path, wanted: list[Repository]) -> None:
    packages = {
        (_pool_dir(package), package.filename): package
        for entry in wanted
        for package in entry.packages
    }
    for family in {family for family, _ in packages}:
        (pool / family).mkdir(parents=True)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as workers:
        # list() so that the first failure is raised here.
        list(workers.map(lambda item: deb.build(item[1], pool / item[0][0]), packages.items()))


def _lay_out(www: Path, pool: Path, wanted: list[Repository], key: signing.SigningKey) -> None:
    indexed: dict[frozenset[tuple[str, str]], str] = {}
    directories = []
    for entry in wanted:
        directory = www / entry.path
        directory.mkdir(parents=True)
        content = frozenset((_pool_dir(package), package.filename) for package in entry.packages)
        for family, name in content:
            os.link(pool / family / name, directory / name)
        # Suites of one family hold the same files, so their index is made once.
        indexed[content] = repository.index(
            directory, repository.release_fields(entry.path), indexed.get(content)
        )
        directories.append(directory)
        if entry.suite:
            (directory / CUDA_KEY_NAME).write_text(key.public)
            keyring_package(entry.suite, key.public, directory)
    (www / TOOLKIT_KEY).write_text(key.public)
    signing.sign_releases(key, directories)


def _link_or_copy(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        # The cache may be on another file system than the lab.
        shutil.copy2(source, target)
    return target


def _link_tree(built: Path, root: Path) -> None:
    marker = root / ".built-from"
    if marker.is_file() and marker.read_text() == built.name:
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".www-", dir=root.parent))
    shutil.copytree(built, aside, copy_function=_link_or_copy, dirs_exist_ok=True)
    aside.chmod(0o755)
    (aside / marker.name).write_text(built.name)
    if root.exists():
        old = Path(tempfile.mkdtemp(prefix=".old-", dir=root.parent))
        root.rename(old / "www")
        aside.rename(root)
        shutil.rmtree(old)
    else:
        aside.rename(root)
