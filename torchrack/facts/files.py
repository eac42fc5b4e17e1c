"""Facts about files."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pyinfra.api.exceptions import FactProcessError
from pyinfra.api.facts import FactBase


@dataclass(frozen=True)
class FileState:
    """A regular file: SHA-256 of its content (hex), permission bits (octal), owner and group."""

    sha256: str
    mode: str
    owner: str
    group: str


class Files(FactBase[dict[str, FileState | None]]):
    """The state of several files in one round trip; None for one that is missing."""

    def command(self, paths: list[str]) -> str:
        """One line of stat and one of sha256sum for each path."""
        quoted = " ".join(map(shlex.quote, paths))
        return (
            f"for f in {quoted}; do "
            'if [ -f "$f" ]; then stat -Lc \'%a %U %G\' -- "$f"; sha256sum < "$f"; '
            'echo "$f"; else echo; echo; echo "$f"; fi; done'
        )

    def process(self, output: list[str]) -> dict[str, FileState | None]:
        """Parse three lines a file."""
        if len(output) % 3:
            raise FactProcessError(f"expected three lines a file, got {output!r}")
        result: dict[str, FileState | None] = {}
        for stat, digest, path in zip(output[::3], output[1::3], output[2::3], strict=True):
            fields = stat.split()
            result[path] = FileState(digest[:64], *fields) if len(fields) == 3 else None
        return result

    @staticmethod
    def default() -> dict[str, FileState | None]:
        """Nothing known."""
        return {}
