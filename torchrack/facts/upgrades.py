"""Facts about what apt does by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyinfra.api.facts import FactBase

_IS_READ = re.compile(r"/etc/apt/apt\.conf(\.d/[\w-]+(\.conf)?)?", re.ASCII)
"""The names of files that apt reads (apt.conf(5))."""


@dataclass(frozen=True)
class AptConfiguration:
    """apt's effective configuration.

    Args:
        values: option to its values (lists have many).
        files: those that say something of it, in the order in which apt reads them.
    """

    values: dict[str, list[str]]
    files: tuple[str, ...] = ()

    def get(self, option: str) -> list[str]:
        """Return the values of an option, without the empty one that names a list."""
        return [value for value in self.values.get(option, []) if value]


class AptConfig(FactBase[AptConfiguration]):
    """``apt-config dump``, which is what apt and unattended-upgrades go by."""

    def command(self) -> str:
        """Only the parts about periodic work."""
        return (
            "apt-config dump | grep -E '^(APT::Periodic|Unattended-Upgrade)::'; "
            "grep -lsE 'Periodic|Unattended-Upgrade' /etc/apt/apt.conf.d/* /etc/apt/apt.conf | "
            "sed 's/^/file /'"
        )

    def process(self, output: list[str]) -> AptConfiguration:
        """Parse ``Option "value";``, where members of a list have ``::`` at the end."""
        values: dict[str, list[str]] = {}
        files = [line.removeprefix("file ") for line in output if line.startswith("file ")]
        for line in output:
            match = re.fullmatch(r'(\S+?)(?:::)? "(.*)";', line)
            if match:
                values.setdefault(match[1], []).append(match[2])
        return AptConfiguration(values, tuple(filter(_IS_READ.fullmatch, files)))
