"""What a machine needs to run a lab."""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from lab.errors import LabError

PACKAGES = Path(__file__).with_name("packages.txt")
_KEPT = ("TORCHRACK_LAB", "TORCHRACK_LAB_CACHE")


def become_root(arguments: list[str]) -> None:
    """Start this command again through sudo unless it runs as root already."""
    if os.geteuid() == 0:
        return
    if shutil.which("sudo") is None:
        raise LabError("this needs root (namespaces, mounts, a bridge), and there is no sudo")
    kept = [f"{name}={os.environ[name]}" for name in _KEPT if name in os.environ]
    command = [sys.executable, "-m", "lab", *arguments]
    print("the lab needs root (namespaces, mounts, a bridge): through sudo", file=sys.stderr)
    os.execvp("sudo", ["sudo", "env", *kept, *command])  # noqa: S606 - sudo takes the terminal


def check() -> None:
    """Raise LabError unless this machine can run a lab; with the command that mends it."""
    if platform.system() != "Linux":
        raise LabError(f"a lab needs Linux with namespaces; this is {platform.system()}")
    if missing := missing_packages():
        raise LabError(
            f"packages are missing: {' '.join(missing)}\n"
            f"apt-get install --no-install-recommends {' '.join(missing)}"
        )


def missing_packages() -> list[str]:
    """Return the packages of packages.txt that this machine lacks."""
    wanted = packages(PACKAGES.read_text())
    try:
        listed = subprocess.run(
            ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *wanted],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    except FileNotFoundError as error:
        raise LabError("no dpkg here: the lab needs Debian or Ubuntu") from error
    installed = {line.split()[0] for line in listed.splitlines() if line.endswith(" installed")}
    return [package for package in wanted if package not in installed]


def packages(text: str) -> list[str]:
    """Return the package names in `text`, one a line, comments left out."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]
