"""What a workload's paths lie on: systemd's mount units, and the shell that asks a host. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from torchrack.errors import Problem
from torchrack.settings.workloads import Workload
from torchrack.workloads.workload import binds

_SHELL = Path(__file__).parents[2] / "files" / "workloads" / "mounts.sh"
_OCTAL = re.compile(r"\\([0-7]{3})")
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.")


def shell() -> str:
    """Return shell functions, ``not_mounted PATH`` and those that it is made of."""
    return _SHELL.read_text(encoding="utf-8")


def away_script(paths: Iterable[str]) -> str:
    """Return shell that says which paths lie on a share that is not mounted, or that hangs.

    It wants the functions of :func:`shell`; :func:`away` reads its lines.

    Args:
        paths: absolute paths of the host.
    """
    return f"""for path in {shlex.join(paths)}; do
    where=$(not_mounted "$path" | head -n 1)
    timeout -k 1 10 stat -L -- "$path" >/dev/null 2>&1
    case $? in 124 | 137) hangs=yes ;; *) hangs= ;; esac
    [ -z "$where$hangs" ] || printf 'away %s|%s\\n' "$where" "$path"
done"""


def away(lines: Iterable[str]) -> dict[str, str]:
    """Read the script's lines, without the word that they begin with.

    Returns:
        Path to the mount point that it lies on, which is not mounted; empty for one that hangs.
    """
    found = (line.partition("|")[::2] for line in lines)
    return {path: _OCTAL.sub(lambda it: chr(int(it[1], 8)), where) for where, path in found}


def problems(host: str, workload: Workload, unmounted: Mapping[str, str]) -> list[Problem]:
    """What a workload would mount is not there: Docker would take the folder beneath, for good.

    Args:
        host: the host's name.
        workload: the workload.
        unmounted: what :func:`away` returned.
    """
    return [
        Problem(
            host,
            f"Workload {workload.name}: {path}",
            f"a path on {unmounted[path]}, which is not mounted"
            if unmounted[path]
            else "a share that does not answer within 10 s",
            "what /etc/fstab or a mount unit of systemd puts there",
            f"mount it ({mount_command(unmounted[path])}) and run again, or take it out "
            "of /etc/fstab if it is gone for good; nothing was made beneath"
            if unmounted[path]
            else "see that its server answers, and run again",
        )
        for path in binds(workload)
        if path in unmounted
    ]


def units(paths: Iterable[str]) -> list[str]:
    """Return the names of the mount units that could be above some paths, or at them.

    Those that a host does not have do nothing in ``Wants=`` and ``After=``.

    Args:
        paths: absolute paths of the host.
    """
    above = {
        str(folder)
        for path in paths
        for folder in (PurePosixPath(path), *PurePosixPath(path).parents)
    }
    return sorted(f"{_escape(folder)}.mount" for folder in above - {"/"})


def _escape(path: str) -> str:
    """Escape a path as ``systemd-escape --path`` does (systemd.unit(5), string escaping)."""
    inner = path.strip("/").encode()
    return "".join(
        "-"
        if byte == ord("/")
        else chr(byte)
        if byte in _PLAIN and (number or byte != ord("."))
        else f"\\x{byte:02x}"
        for number, byte in enumerate(inner)
    )


def mount_command(where: str) -> str:
    """Return the command that mounts what /etc/fstab or a unit has for a mount point."""
    return f"sudo systemctl start {shlex.quote(_escape(where) + '.mount')}"


def quoted(path: str) -> str:
    """Return a path as a unit's file has it in RequiresMountsFor=."""
    text = path.replace("%", "%%")
    return f'"{text}"' if " " in text else text
