"""Every file that a stage brings is one that offboarding knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from torchrack.offboard import brought

ROOT = Path(__file__).parents[2]
WHERE = re.compile(r"/(?:etc|usr/local|var/lib/torchrack|run/torchrack|lib/systemd|opt)/[\w@./*-]+")
STAGES = (
    "tasks",
    "torchrack/operations",
    "torchrack/workloads",
    "torchrack/sshd",
)
DEFINITIONS = (
    "torchrack/cdi.py",
    "torchrack/persistence.py",
    "torchrack/apt/repository.py",
    "torchrack/images/registry_access.py",
    "torchrack/facts/certificates.py",
    "torchrack/facts/docker.py",
    "torchrack/facts/images.py",
    "torchrack/facts/sshd.py",
    "torchrack/facts/stamp.py",
    "torchrack/onboard/admin.py",
)
FOLDERS = ("base", "docker", "images", "sshd", "workloads")

ONLY_READ = {
    "/etc/passwd",
    "/etc/fstab",
    "/etc/os-release",
    "/etc/ssh",
    "/etc/ssh/sshd_config",
    "/etc/ssh/sshd_config.d",
    "/etc/ssh/sshd_config.d/",
    "/etc/ssh/sshd_config.d/*.conf",
    "/etc/ssh/sshd_config.d/*",
    "/etc/ssh/sshd_config.d/.",
    "/etc/cloud/cloud.cfg.d",
    "/etc/apt/preferences.d",
    "/etc/apt/apt.conf",
    "/etc/apt/apt.conf.d",
    "/etc/apt/sources.list.d",
    "/etc/apt/keyrings",
    "/etc/docker",
    "/etc/docker/certs.d",
    "/etc/systemd/system",
    "/etc/systemd/system/*.mount",
    "/etc/ssl/certs/ca-certificates.crt",
    "/usr/local/share/ca-certificates",
}
"""Folders of the system that hold what we bring, and files that a stage only looks at."""


def literals(path: Path) -> Iterator[str]:
    """The strings of a Python file without its docstrings; f-strings piece by piece."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    spoken = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in spoken
        ):
            yield node.value


def paths_in(text: str) -> set[str]:
    return {match.rstrip(".") for match in WHERE.findall(text)}


def sources() -> Iterator[tuple[str, str]]:
    for folder in STAGES:
        for path in sorted((ROOT / folder).glob("*.py")):
            yield str(path.relative_to(ROOT)), "\n".join(literals(path))
    for name in DEFINITIONS:
        yield name, "\n".join(literals(ROOT / name))
    files = [path for folder in FOLDERS for path in sorted((ROOT / "files" / folder).iterdir())]
    for path in [*files, ROOT / "files" / "onboard" / "admin.sh"]:
        lines = path.read_text(encoding="utf-8").splitlines()
        code = [line for line in lines if not line.lstrip().startswith(("#", "//"))]
        yield str(path.relative_to(ROOT)), "\n".join(code)


def unknown(text: str) -> set[str]:
    return {
        path
        for path in paths_in(text)
        if not (brought.covers(path) or path in ONLY_READ or path.rstrip("/") in ONLY_READ)
    }


@pytest.mark.parametrize(("name", "text"), [*sources()], ids=lambda value: value[:40])
def test_offboarding_knows_every_path_of_a_stage(name: str, text: str) -> None:
    assert not unknown(text), (
        f"{name} names paths that torchrack offboard would leave behind: add them to "
        "torchrack/offboard/brought.py, or to ONLY_READ here if nothing is written there"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/etc/systemd/system/new-daemon.service",
        "/etc/sysctl.d/99-new.conf",
        "/usr/local/bin/new-tool",
        "/etc/udev/rules.d/70-new.rules",
    ],
)
def test_a_new_file_would_be_noticed(path: str) -> None:
    assert unknown(f"dest={path}") == {path}


def test_the_places_are_found_at_all() -> None:
    """Were the paths looked for in vain, the test above could not fail."""
    found = {path for _, text in sources() for path in paths_in(text)}
    assert {
        "/etc/sudoers.d/90-torchrack",
        "/etc/modprobe.d/torchrack-nouveau.conf",
        "/etc/docker/daemon.json",
        "/usr/local/lib/torchrack/workload",
    } <= found
