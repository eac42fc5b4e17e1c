"""A control group of its own for each server, in every hierarchy of this machine.

Two systemds in one group would manage each other's services. Where systemd is this machine's init,
systemd-nspawn asks it for a scope instead, and nothing here is needed.
"""

import time
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def needed() -> bool:
    """Return whether systemd-nspawn has no systemd to ask for a scope."""
    return not Path("/run/systemd/system").is_dir()


def create(name: str) -> list[Path]:
    """Make the group `name` in each hierarchy; return their paths."""
    groups = []
    for hierarchy in _hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # A cpuset group is empty at first, and then takes no process.
            if (group / setting).exists() and not (group / setting).read_text().strip():
                (group / setting).write_text((hierarchy / setting).read_text())
        groups.append(group)
    return groups


def remove(name: str, *, timeout: float = 5.0) -> None:
    """Remove the group `name` and those below it, in each hierarchy."""
    deadline = time.monotonic() + timeout
    for hierarchy in _hierarchies():
        group = hierarchy / name
        while group.exists():
            below = sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True)
            for path in [*below, group]:
                with suppress(OSError):  # busy until its last process is gone
                    path.rmdir()
            if time.monotonic() > deadline:
                break
            if group.exists():
                time.sleep(0.05)


def names(prefix: str) -> list[str]:
    """Return the groups of this machine whose name begins with `prefix`."""
    return sorted({path.name for root in _hierarchies() for path in root.glob(f"{prefix}*")})


def processes(name: str) -> set[int]:
    """Return the process ids in the group `name` and below it."""
    pids: set[int] = set()
    for hierarchy in _hierarchies():
        for file in (hierarchy / name).rglob("cgroup.procs"):
            with suppress(OSError):
                pids.update(int(pid) for pid in file.read_text().split())
    return pids - {0}


def _hierarchies() -> list[Path]:
    if (_ROOT / "cgroup.procs").exists():
        return [_ROOT]
    # Where controllers share a hierarchy, links stand for the single ones.
    return [p for p in _ROOT.iterdir() if not p.is_symlink() and (p / "cgroup.procs").exists()]
