"""Looks for a secret in all that a run writes, and in the arguments of all processes meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.harness import Lab
from tests.lab.newcomers import Server

_PLACES = "/etc /home /root /tmp /run /var/log /var/tmp /var/lib/torchrack"
"""Where programs write on a server, beside what packages bring."""


def holding(secret: str, *folders: Path) -> list[Path]:
    """The files that hold a secret."""
    return [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    ]


class Seen:
    """Command lines with a secret, of all processes of this machine and of the lab's servers.

    Servers of other labs are left out: tests that run beside these show the pull password there.
    """

    def __init__(self, lab: Path, *secrets: str) -> None:
        self._lab = str(lab).encode()
        self.looks = 0
        self.found: list[str] = []
        self._secrets = [secret.encode() for secret in secrets]

    def look(self) -> None:
        self.looks += 1
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = process.read_bytes()
            except OSError:  # it has ended
                continue
            if any(secret in words for secret in self._secrets) and self._is_ours(process.parent):
                self.found.append(words.decode(errors="replace").replace("\0", " "))

    def _is_ours(self, process: Path) -> bool:
        """Whether no supervisor of another lab's server is above the process."""
        try:
            while process.name not in ("0", "1"):
                words = (process / "cmdline").read_bytes()
                if b"lab.supervise" in words:
                    return self._lab + b"/" in words
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                process = process.with_name(fields[1])
        except OSError:  # it has ended meanwhile
            return True
        return True


@contextmanager
def watched_arguments(lab: Lab, *secrets: str) -> Iterator[Seen]:
    seen, over = Seen(lab.folder, *secrets), threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            seen.look()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def left_on(server: Server, secret: str) -> list[str]:
    """The files of a server that hold a secret; its journal is read as well."""
    found = server.root(
        "journalctl --no-pager -o cat > /run/journal; "
        f"grep -rlsF -e '{secret}' {_PLACES} || true; rm -f /run/journal"
    )
    return found.split()
