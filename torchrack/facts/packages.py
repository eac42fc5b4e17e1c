"""Facts about Debian packages."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pyinfra.api.facts import FactBase


@dataclass(frozen=True)
class Package:
    """A package that dpkg knows: version, whether it is fully installed, whether it is held."""

    version: str
    installed: bool
    held: bool


class Packages(FactBase[dict[str, Package]]):
    """The named packages (or glob patterns) as dpkg knows them; missing ones are left out."""

    def command(self, names: list[str]) -> str:
        """One dpkg-query; unknown names only make it end with 1."""
        quoted = " ".join(map(shlex.quote, names))
        form = "${Package}\\t${Version}\\t${db:Status-Abbrev}\\n"
        return f"dpkg-query -W -f='{form}' {quoted} 2>/dev/null || true"

    def process(self, output: list[str]) -> dict[str, Package]:
        """Parse name, version and the three status letters (wanted, status, error)."""
        result = {}
        for line in output:
            name, version, status = line.split("\t")
            result[name] = Package(version, status.strip()[1:] == "i", status.startswith("h"))
        return result

    @staticmethod
    def default() -> dict[str, Package]:
        """No package."""
        return {}
