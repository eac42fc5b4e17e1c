"""Facts about APT sources and the keys they trust."""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass

from pyinfra.api.facts import FactBase


@dataclass(frozen=True)
class SourceState:
    """What stands on the host for one repository.

    Args:
        source: content of its deb822 file; empty when missing.
        key: content of its keyring; empty when missing.
        lines: ``path:line`` of each line in all source files that is neither empty nor a comment.
    """

    source: str
    key: str
    lines: tuple[str, ...]


class Source(FactBase[SourceState]):
    """One source with its keyring, and the lines of all other sources."""

    def command(self, source_path: str, key_path: str) -> str:
        """Two files in base64 and the lines of all sources."""
        return (
            f"echo source=$(base64 -w0 {shlex.quote(source_path)} 2>/dev/null); "
            f"echo key=$(base64 -w0 {shlex.quote(key_path)} 2>/dev/null); "
            "grep -sHvE '^[[:space:]]*(#|$)' /etc/apt/sources.list /etc/apt/sources.list.d/*.list "
            "/etc/apt/sources.list.d/*.sources || true"
        )

    def process(self, output: list[str]) -> SourceState:
        """Parse two ``key=base64`` lines and the lines of the sources."""
        source, key = (line.partition("=")[2] for line in output[:2])
        return SourceState(_text(source), _text(key), tuple(output[2:]))


@dataclass(frozen=True)
class Download:
    """A downloaded file: its content, and what the program said when there is none."""

    content: bytes
    message: str


class PublishedKey(FactBase[Download]):
    """The key file that a vendor publishes, fetched by the host; nothing is kept there.

    apt-helper is part of apt itself, so that neither curl nor wget has to be there, and it goes
    through the proxy that apt is set up with.
    """

    def command(self, url: str) -> str:
        """Download into a private folder, print it in base64, remove it."""
        return (
            "d=$(mktemp -d) && trap 'rm -rf -- \"$d\"' EXIT; "
            f"message=$(timeout -k 5 60 /usr/lib/apt/apt-helper download-file {shlex.quote(url)} "
            '"$d/key" 2>&1); echo content=$(base64 -w0 "$d/key" 2>/dev/null); '
            'printf "%s\\n" "$message" | grep "^E:" || true'
        )

    def process(self, output: list[str]) -> Download:
        """Parse the content and the messages."""
        content = base64.b64decode(output[0].partition("=")[2])
        return Download(content, " ".join(output[1:]))


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode("utf-8", errors="replace")
