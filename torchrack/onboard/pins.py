"""The host keys that a fleet trusts: its known_hosts file, read and changed line by line."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from paramiko import HostKeys, PKey, SSHException
from paramiko.hostkeys import HostKeyEntry, InvalidHostKey
from pyinfra.connectors.sshuserclient.client import get_host_keys

from torchrack import atomic
from torchrack.errors import HostError, Problem
from torchrack.exclusive import exclusive

FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
"""As ssh-keygen -l and ssh write it."""


UNVERIFIED = "unverified: trusted on first use"
"""The comment behind a key that nobody has verified; OpenSSH and paramiko pass over it."""


def fingerprint(key: PKey) -> str:
    """Return a key's fingerprint as ssh shows it, "SHA256:..."."""
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode()
    return "SHA256:" + digest.rstrip("=")


def pinned(file: Path, address: str, port: int) -> list[PKey]:
    """Return the host keys that are pinned for a server.

    Args:
        file: a known_hosts file; one that is missing pins nothing.
        address: host name or IP address as the inventory has it; what ssh_config makes of it does
            not count.
        port: TCP port of sshd.

    Raises:
        HostError: a line can't be read; paramiko would pass over all that follow.
    """
    name = known_as(address, port)
    entries = [_entry(file, number, line) for number, line in enumerate(_lines(file), 1)]
    return [entry.key for entry in entries if entry and entry.key and _names(entry, name)]


def also_known_as(file: Path, address: str, port: int, key: PKey) -> list[str]:
    """Return the servers at other addresses that a host key is pinned for, as the file names them.

    Another port of the same address may well be the same machine, and that is no mistake.

    Args:
        file: a known_hosts file.
        address: host name or IP address of the server that shows the key.
        port: TCP port of its sshd.
        key: the key.

    Raises:
        HostError: a line can't be read.
    """
    name = known_as(address, port)
    entries = [_entry(file, number, line) for number, line in enumerate(_lines(file), 1)]
    same = [entry for entry in entries if entry and entry.key == key]
    if any(_names(entry, name) for entry in same):
        return []  # its own line, where it may have another name as well
    names = [listed for entry in same for listed in entry.hostnames or ()]
    return [listed for listed in names if _address(listed) != _address(name)]


def is_unverified(file: Path, address: str, port: int) -> bool:
    """Return whether a key of a server was pinned though nobody had verified it.

    Args:
        file: the known_hosts file.
        address: host name or IP address.
        port: TCP port of sshd.
    """
    name = known_as(address, port)
    marked = (line for line in _lines(file) if line.endswith(UNVERIFIED))
    entries = (_entry(file, 0, line) for line in marked)
    return any(entry and entry.key and _names(entry, name) for entry in entries)


def pin(file: Path, address: str, port: int, key: PKey, *, verified: bool = True) -> None:
    """Trust a host key for a server from now on; another of the same type is trusted no more.

    Other lines and comments stay as they are. The file is never seen half-written. A key that
    nobody has verified gets a comment that says so, until it is pinned as one that somebody has.

    Args:
        file: the known_hosts file; made where it is missing.
        address: host name or IP address.
        port: TCP port of sshd.
        key: the key.
        verified: whether somebody has compared it with the server's.

    Raises:
        HostError: a line of the file can't be read.
        OSError: the file can't be written.
    """
    name = known_as(address, port)
    with exclusive(file.parent):
        known = key in pinned(file, address, port)
        if known and not (verified and is_unverified(file, address, port)):
            return
        lines, _ = _without(file, name, key.get_name())
        mark = "" if verified else f" {UNVERIFIED}"
        _write(file, [*lines, f"{name} {key.get_name()} {key.get_base64()}{mark}"])


def unpin(file: Path, address: str, port: int) -> bool:
    """Trust no host key for a server any more; return whether one was trusted.

    Args:
        file: the known_hosts file.
        address: host name or IP address.
        port: TCP port of sshd.

    Raises:
        HostError: a line of the file can't be read.
        OSError: the file can't be written.
    """
    with exclusive(file.parent):
        lines, found = _without(file, known_as(address, port), None)
        if found:
            _write(file, lines)
    return found


def known_as(address: str, port: int) -> str:
    """Return the name under which a server's keys stand in known_hosts."""
    return address if port == 22 else f"[{address}]:{port}"


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _entry(file: Path, number: int, line: str) -> HostKeyEntry | None:
    """The key in a line; None for a comment, and for a type of key that paramiko does not know."""
    line = line.strip()
    if not line or line.startswith("#"):
        return None
    try:
        return HostKeyEntry.from_line(line, number)
    except (InvalidHostKey, SSHException, ValueError):
        raise HostError(
            Problem(
                f"{file}:{number}",
                "Pinned host keys",
                "a line that can't be read",
                "lines as ssh-keyscan prints them",
                "correct or remove the line",
            )
        ) from None


def _names(entry: HostKeyEntry, name: str) -> bool:
    """Whether an entry is for a server; names may be hashed (HashKnownHosts)."""
    return any(_same(listed, name) for listed in entry.hostnames or ())


def _address(name: str) -> str:
    """The address in a name of known_hosts, "[address]:port" or the address alone."""
    return name[1:].partition("]")[0] if name.startswith("[") else name


def _same(listed: str, name: str) -> bool:
    return listed == (HostKeys.hash_host(name, listed) if listed.startswith("|1|") else name)


def _without(file: Path, name: str, kind: str | None) -> tuple[list[str], bool]:
    """The lines without a server's keys (of one type, or all); whether there were any."""
    lines, found = [], False
    for number, line in enumerate(_lines(file), 1):
        entry = _entry(file, number, line)
        its = entry is not None and entry.key is not None and _names(entry, name)
        if entry is None or not its or kind not in (None, entry.key.get_name()):
            lines.append(line)
            continue
        found = True
        others = [listed for listed in entry.hostnames or () if not _same(listed, name)]
        if others:
            lines.append(f"{','.join(others)} {line.strip().split(maxsplit=1)[1]}")
    return lines, found


def _write(file: Path, lines: list[str]) -> None:
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o644
    atomic.write(file.resolve(), "".join(f"{line}\n" for line in lines), mode=mode)
    # pyinfra reads a known_hosts file once in a process: without this the pin would be news to it.
    fresh = HostKeys()
    fresh.load(str(file))
    get_host_keys.cache.clear()
    get_host_keys.cache[f"{((str(file),),)}{{}}"] = fresh
