"""The control machine's own package sources, carried over to the simulated servers.

No mirror's name stands in the lab: what this machine installs from, its servers install from.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab.command import run
from lab.errors import LabError

_COMPONENTS = {"debian": ["main"], "ubuntu": ["main", "universe"]}
_KEYRINGS = {
    "debian": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "ubuntu": "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
}
# How the mirrors are reached (proxies, CA files, clocks); nothing about what is downloaded.
_CARRIED = re.compile(
    r"Acquire::(?:https?::|Check-Date|Check-Valid-Until|Retries|ForceIPv4|ForceIPv6)\S* "
)


@dataclass(frozen=True)
class Source:
    """One archive of the distribution: a URI with its suites."""

    uri: str
    suites: tuple[str, ...]


@cache
def distribution() -> tuple[str, str]:
    """Return this machine's distribution (`debian` or `ubuntu`) and its codename."""
    fields = dict(
        line.split("=", 1)
        for line in Path("/etc/os-release").read_text().splitlines()
        if "=" in line
    )
    name = fields.get("ID", "").strip('"')
    codename = fields.get("VERSION_CODENAME", "").strip('"')
    if name not in _COMPONENTS or not codename:
        raise LabError(
            f"this machine runs {name or 'an unknown system'}; the lab needs Debian or Ubuntu"
        )
    return name, codename


def sources(suite: str) -> list[Source]:
    """Return where this machine would get the release `suite` from.

    Raises:
        LabError: this machine's apt has no source of its own release.
    """
    name, codename = distribution()
    format_ = "$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)"
    listed = run(["apt-get", "indextargets", "--format", format_, "Created-By: Packages"])
    return parse_targets(listed, name, codename, suite)


def parse_targets(listed: str, name: str, codename: str, suite: str) -> list[Source]:
    """Turn `apt-get indextargets` lines (URI, release, component) into sources for `suite`."""
    suites: dict[str, list[str]] = {}
    for line in listed.splitlines():
        uri, release, component = line.split("\t")
        base, dash, pocket = release.partition("-")
        if base != codename or component != "main" or pocket not in ("", "updates", "security"):
            continue
        found = suites.setdefault(uri, [])
        if (wanted := f"{suite}{dash}{pocket}") not in found:
            found.append(wanted)
    if not any(suite in found for found in suites.values()):
        raise LabError(
            f"apt has no source of {name} {codename} main on this machine; "
            "add one to /etc/apt/sources.list.d and run apt-get update"
        )
    return [Source(uri, tuple(found)) for uri, found in suites.items()]


def deb822(suite: str) -> str:
    """Return a deb822 sources file for the release `suite`."""
    name, _ = distribution()
    stanzas = [
        f"Types: deb\nURIs: {source.uri}\nSuites: {' '.join(source.suites)}\n"
        f"Components: {' '.join(_COMPONENTS[name])}\nSigned-By: {_KEYRINGS[name]}\n"
        for source in sources(suite)
    ]
    return "\n".join(stanzas)


def configuration() -> str:
    """Return apt.conf lines that reach the mirrors as this machine does: proxies, CAs, dates."""
    dump = run(["apt-config", "dump", "--format", '%F "%v";%n'])
    return "".join(f"{line}\n" for line in dump.splitlines() if _CARRIED.match(line))
