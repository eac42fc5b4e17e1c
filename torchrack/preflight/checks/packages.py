"""apt and dpkg, and software that came another way than ours."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from urllib.parse import urlsplit

from torchrack.driver_names import companions, is_part, is_prebuilt, parts
from torchrack.errors import Problem
from torchrack.preflight.facts import HostFacts
from torchrack.preflight.subject import Subject

_INTERRUPTED = ("U", "F", "W", "T", "H")
"""dpkg's states of a package whose installation was cut short (dpkg-query(1))."""
_DRIVER_SOURCES = re.compile(r"/graphics-drivers/|/compute/cuda/repos/|lambdalabs\.com")
"""apt sources that carry NVIDIA's driver beside a distribution's own archive."""


def lock(subject: Subject) -> Iterator[Problem]:
    """Nobody holds apt's locks, at least not longer than we wait."""
    holders = subject.facts.apt_holders
    if holders:
        yield subject.problem(
            "apt",
            f"locked by {'; '.join(_process(h) for h in holders)}",
            "its locks free (waited preflight.apt_lock_timeout, "
            f"{subject.settings.preflight.apt_lock_timeout} s)",
            "wait until it has finished, or end it, and run again",
        )


def _process(line: str) -> str:
    pid, _, command = line.partition(" ")
    return f"pid {pid} ({command.strip()[:80] or 'not visible'})"


def broken(subject: Subject) -> Iterator[Problem]:
    """apt works; an interrupted installation that the next one mends is no problem."""
    facts = subject.facts
    result = facts.apt_check
    if result is None or result.status == 0:
        return
    interrupted = any(state.status[1:2] in _INTERRUPTED for state in facts.packages.values())
    fix = facts.apt_fix
    if interrupted and fix and fix.status == 0 and "\nRemv " not in f"\n{fix.output}":
        return
    yield subject.problem(
        "apt",
        f"apt-get check fails: {_errors(result.output)}",
        "packages whose dependencies are met, and sources that can be read",
        "repair it on the host (apt-get check, dpkg --audit, apt-get --fix-broken install, which "
        "asks before it removes anything)",
    )


def _errors(output: str) -> str:
    lines = [line.strip() for line in output.splitlines()]
    told = [line for line in lines if line.startswith("E:") or "Depends:" in line]
    return " ".join(told or lines[-2:])[:300]


def foreign_docker(subject: Subject) -> Iterator[Problem]:
    """No engine but the one that is configured."""
    facts, source = subject.facts, subject.settings.docker.source
    wanted = "Docker's own packages" if source == "docker-ce" else "the distribution's docker.io"
    for path in facts.foreign_docker:
        if path.endswith(".snap"):
            kind = "snap"
            fix = "sudo snap disable docker stops it and keeps all that it holds"
        else:
            kind, file = "file", shlex.quote(path)
            fix = f"stop that engine, and sudo mv {file} {file}.disabled, which keeps its data"
        yield subject.problem(
            "Docker", f"an engine from a {kind}: {path}", wanted, f"{fix}; then run again"
        )
    foreign = {"podman-docker", "docker-engine", "docker.io" if source == "docker-ce" else ""}
    foreign |= set() if source == "docker-ce" else {"docker-ce", "containerd.io"}
    found = sorted(n for n in foreign & facts.packages.keys() if _installed(subject, n))
    if found:
        keep = "set docker.source to keep it; or " if {"docker.io", "docker-ce"} & {*found} else ""
        yield subject.problem(
            "Docker",
            f"the package {', '.join(found)} is installed",
            f"{wanted} (docker.source is {source})",
            f"{keep}stop what runs in it, and sudo apt-get remove {' '.join(found)} (say no where "
            "apt would take along what you need), which leaves its data, where a purge deletes it",
        )


def _installed(subject: Subject, name: str) -> bool:
    return subject.facts.packages[name].status[1:2] == "i"


def runfile_driver(subject: Subject) -> Iterator[Problem]:
    """No driver that NVIDIA's .run installer left outside of dpkg."""
    files = subject.facts.unowned_driver_files
    if files:
        yield subject.problem(
            "NVIDIA driver",
            f"files of the driver that no package owns: {', '.join(files)}",
            "a driver from packages alone",
            "sudo nvidia-uninstall --silent, or sh NVIDIA-Linux-*.run --uninstall; then run again",
        )


def second_source(subject: Subject) -> Iterator[Problem]:
    """The driver comes from the configured repository alone."""
    ours = subject.settings.driver.repository
    others = sorted({u for u in subject.facts.apt_sources if _DRIVER_SOURCES.search(u)})
    # A source of ours with another address was written before the setting changed, and will follow.
    known = (ours, *subject.facts.own_sources)
    others = [uri for uri in others if not any(_same_site(uri, base) for base in known)]
    if others:
        yield subject.problem(
            "NVIDIA driver",
            f"a second package source: {', '.join(others)}",
            f"{ours} alone",
            "disable the source (mv its file in /etc/apt/sources.list.d to FILE.disabled), or make "
            "it driver.repository",
        )
    foreign = {
        package: uris
        for package, uris in subject.facts.driver_origins.items()
        if uris
        and _of_a_driver(subject.facts, package)
        and not any(_same_site(uri, base) for uri in uris for base in known)
    }
    if foreign:
        there = subject.facts.packages
        along = [n for n in companions() if n in there and _installed(subject, n)]
        along = [name for name in along if name not in foreign]
        names = ", ".join(sorted(foreign)[:6]) + (", ..." if len(foreign) > 6 else "")
        yield subject.problem(
            "NVIDIA driver",
            f"{names} from {', '.join(sorted({uris[0] for uris in foreign.values()}))}",
            f"driver packages from {ours} alone",
            f"sudo apt-get remove {' '.join([*sorted(foreign), *along])} (say no where apt would "
            "take along what you need), and run again",
        )


def _of_a_driver(facts: HostFacts, package: str) -> bool:
    """Whether a package is a part of a driver, and not only called after NVIDIA."""
    if is_prebuilt(package):
        return True
    known = facts.packages
    if package not in known:
        return is_part(package, "580.00-1")
    return package in parts({name: (one.version, one.source) for name, one in known.items()})


def _same_site(uri: str, base: str) -> bool:
    """Whether an apt source lies under a repository's base URI, whatever its scheme."""
    one, other = urlsplit(uri), urlsplit(base)
    return one.netloc == other.netloc and one.path.startswith(other.path.rstrip("/"))
