"""How simulated servers find the mirrors' names."""

import ipaddress
import socket
from pathlib import Path
from urllib.parse import urlsplit

from lab.errors import LabError

# systemd-resolved keeps the real name servers here, and its own loopback address in /etc.
_CANDIDATES = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))


def resolv_conf() -> str | None:
    """Return a resolv.conf that works behind the bridge; None when this machine has none."""
    for path in _CANDIDATES:
        if path.exists() and (text := usable(path.read_text())):
            return text
    return None


def usable(text: str) -> str | None:
    """Return `text` without name servers on a loopback address; None when none is left."""
    kept, servers = [], 0
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["nameserver"]:
            address = ipaddress.ip_address(words[1].partition("%")[0])
            if address.is_loopback or address.is_link_local:
                continue
            servers += 1
        if words and not words[0].startswith(("#", ";")):
            kept.append(line)
    return "\n".join(kept) + "\n" if servers else None


def hosts_entries(uris: list[str]) -> str:
    """Return /etc/hosts lines for the names in `uris`, as this machine resolves them now."""
    lines = []
    for name in sorted({urlsplit(uri).hostname or "" for uri in uris} - {""}):
        try:
            found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
        except OSError as error:
            raise LabError(f"the package mirror {name} has no address: {error}") from error
        lines += sorted({f"{entry[4][0]} {name}\n" for entry in found})
    return "".join(lines)
