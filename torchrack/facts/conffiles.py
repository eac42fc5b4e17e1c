"""Facts about the configuration files that packages bring."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pyinfra.api.facts import FactBase

_COMMAND = """
dpkg-query -W -f='${{Conffiles}}\\n' {package} 2>/dev/null | while read -r path sum _; do
    [ -n "$path" ] || continue
    echo "$path $sum $(md5sum < "$path" 2>/dev/null | cut -c1-32)"
done
true"""


@dataclass(frozen=True)
class Conffile:
    """A configuration file: MD5 as its package brought it, and as it is ("" for no such file)."""

    packaged: str
    found: str


class Conffiles(FactBase[dict[str, Conffile]]):
    """A package's configuration files by path; none where it is not installed."""

    def command(self, package: str) -> str:
        """Ask dpkg, and hash what is there."""
        return _COMMAND.format(package=shlex.quote(package))

    def process(self, output: list[str]) -> dict[str, Conffile]:
        """Parse "PATH MD5 MD5"."""
        rows = (line.split(" ", 2) for line in output)
        return {path: Conffile(packaged, found) for path, packaged, found in rows}

    @staticmethod
    def default() -> dict[str, Conffile]:
        """No package, no file."""
        return {}
