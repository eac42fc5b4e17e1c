"""Facts about Debian packages."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pyinfra.api.facts import FactBase


@dataclass(frozen=True)
class Package:
    """A package that dpkg knows.

    Args:
        version: its version.
        installed: whether it is fully installed.
        held: whether it is held.
        source: the name of its source package, where that was asked for.
    """

    version: str
    installed: bool
    held: bool
    source: str = ""


class Packages(FactBase[dict[str, Package]]):
    """The named packages (or glob patterns) as dpkg knows them; missing ones are left out."""

    def command(self, names: list[str]) -> str:
        """One dpkg-query; unknown names only make it end with 1."""
        quoted = " ".join(map(shlex.quote, names))
        form = "${Package}\\t${Version}\\t${db:Status-Abbrev}\\t${source:Package}\\n"
        return f"dpkg-query -W -f='{form}' {quoted} 2>/dev/null || true"

    def process(self, output: list[str]) -> dict[str, Package]:
        """Parse name, version, the three status letters (wanted, status, error), and the source."""
        result = {}
        for line in output:
            name, version, status, source = [*line.split("\t"), ""][:4]
            installed, held = status.strip()[1:] == "i", status.startswith("h")
            result[name] = Package(version, installed, held, source)
        return result

    @staticmethod
    def default() -> dict[str, Package]:
        """No package."""
        return {}
