"""What Torchrack needs of the machine it runs on, whatever the fleet."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from torchrack import ssh_config
from torchrack.doctor.model import Checked, lacking, wrong
from torchrack.drift import history, memory

PYTHON = (3, 10)
"""The oldest Python that pyproject.toml allows."""
MIN_FREE = 512 * 2**20
"""Bytes that a folder's file system has to have free: locks, histories, pages, temporary files."""
_INSTALL = "run make deps"
_PROGRAMS = {
    "ssh": (
        ["-V"],
        "openssh-client",
        "OpenSSH's client, which reads ssh_config; jump hosts and the state tests need it",
    ),
    "git": (["--version"], "git", "git, which says what a deploy comes from"),
}


def checks(folder: Path) -> Iterator[Checked]:
    """Look at this machine.

    Args:
        folder: the fleet's, where files are written.
    """
    yield python(sys.version_info[:3])
    yield from packages()
    yield from map(program, _PROGRAMS)
    yield from ssh()
    yield from folders(folder)


def python(version: tuple[int, ...]) -> Checked:
    """Check Python's version."""
    found = ".".join(map(str, version))
    if version[:2] >= PYTHON:
        return Checked("Python", found)
    needed = f"{PYTHON[0]}.{PYTHON[1]} or newer"
    return lacking("Python", found, needed, f"install it, remove .venv, and {_INSTALL}")


def packages() -> Iterator[Checked]:
    """Check the packages that Torchrack is installed with."""
    try:
        needed = [Requirement(one) for one in metadata.requires("torchrack") or ()]
    except metadata.PackageNotFoundError:
        yield lacking("Torchrack", "not installed", "an installed package", _INSTALL)
        return
    right = []
    for requirement in needed:
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        what = f"Package {requirement.name}"
        try:
            found = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield lacking(what, "not installed", str(requirement), _INSTALL)
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            yield lacking(what, found, str(requirement.specifier), _INSTALL)
        else:
            right.append(f"{requirement.name} {found}")
    yield Checked(f"Torchrack {metadata.version('torchrack')}", ", ".join(right))
    for module in ("pytest", "testinfra"):
        if find_spec(module) is None:
            use = f"{module}, for the state tests that torchrack onboard runs"
            yield lacking(f"Package {module}", "not installed", use, _INSTALL)


def program(name: str) -> Checked:
    """Check a program, by the version that it tells.

    Args:
        name: one of those that are needed.
    """
    arguments, package, use = _PROGRAMS[name]
    fix = f"apt-get install {package}"
    try:
        done = subprocess.run(
            [name, *arguments], capture_output=True, text=True, check=True, timeout=10
        )
    except FileNotFoundError:
        return lacking(f"Program {name}", "none", use, fix)
    except (OSError, subprocess.SubprocessError) as error:
        return lacking(f"Program {name}", f"unknown: {error}", use, fix)
    said = re.split(r"[,\n]", (done.stdout + done.stderr).strip(), maxsplit=1)[0]
    return Checked(f"Program {name}", said)


def ssh() -> Iterator[Checked]:
    """Check that ssh can read its configuration, which says how hosts are reached."""
    found = ssh_config.problems()
    yield from map(wrong, found)
    if not found:
        yield Checked("ssh_config", "ssh can read it")


def folders(folder: Path) -> Iterator[Checked]:
    """Check that files can be written where Torchrack writes them.

    Args:
        folder: the fleet's.
    """
    places = {
        "Folder of the fleet": (folder, "make it yours, or run Torchrack as its owner"),
        "Cache": (memory.path_of("x").parent, "make it yours, or set XDG_CACHE_HOME"),
        "State": (history.path_of("x").parent, "make it yours, or set XDG_STATE_HOME"),
        "Temporary files": (Path(tempfile.gettempdir()), "make it writable, or set TMPDIR"),
    }
    for what, (path, fix) in places.items():
        there = next(one for one in (path, *path.resolve().parents) if one.exists())
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            found = f"{there} can't be written"
            yield lacking(what, found, f"a folder {path} that can be written", fix)
            continue
        free = shutil.disk_usage(there).free
        found = f"{path}, {free / 2**30:.1f} GiB free"
        if free < MIN_FREE:
            needed = f"{MIN_FREE // 2**20} MiB free"
            yield lacking(what, found, needed, f"free space there: du -xh -d1 {there} | sort -h")
        else:
            yield Checked(what, found)
