"""The exact version of every package that a host gets, out of what its own apt offers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torchrack import driver, toolkit
from torchrack.docker import engine
from torchrack.docker.version import OLDEST, major
from torchrack.errors import HostError, Problem
from torchrack.facts.survey import Survey
from torchrack.lock.apply import upstream
from torchrack.settings.docker import Docker
from torchrack.settings.model import Settings

Offered = Mapping[str, tuple[str, ...]]
"""Package to the versions that apt offers, the newest first."""


@dataclass(frozen=True)
class Wanted:
    """A package and what its version has to be like; ``newest``: whether a kept one may go."""

    package: str
    pattern: str
    newest: bool


def choose(
    host: str,
    settings: Settings,
    survey: Survey,
    offered: Offered,
    *,
    kept: Mapping[str, str],
    free: frozenset[str],
) -> dict[str, str]:
    """Return package to exact version.

    Args:
        host: the host's name, for messages.
        settings: its settings with an exact driver and toolkit.
        survey: what it is.
        offered: what its apt offers.
        kept: versions that an earlier lock chose, which stay while they fit.
        free: parts that move to the newest: "driver", "docker", "toolkit".

    Raises:
        HostError: apt offers no version that fits.
    """
    wanted = [
        *_driver(host, settings, survey, newest="driver" in free),
        *(
            Wanted(name, settings.toolkit.version, newest="toolkit" in free)
            for name in toolkit.PACKAGES
        ),
        *_docker(host, settings.docker, offered, kept=kept, newest="docker" in free),
    ]
    return {one.package: _exact(host, one, offered, kept) for one in wanted}


def engine_version(host: str, docker: Docker, offered: Offered) -> str:
    """Return the newest engine that the settings allow and that can hand out GPUs our way.

    Args:
        host: the host's name, for messages.
        docker: the section; its version is "auto" or a pattern.
        offered: what the host's apt offers.

    Raises:
        HostError: apt offers none.
    """
    package = engine.ENGINES[docker.source]
    pattern = "*" if docker.version == "auto" else docker.version
    versions = offered.get(package, ())
    for version in versions:
        if fnmatchcase(version, pattern) and major(version) >= OLDEST:
            return version
    if versions and docker.version != "auto":
        raise engine.unavailable(host, docker, versions)
    if versions:
        raise engine.too_old(host, f"{package} {', '.join(versions)} in this host's apt")
    raise _missing(host, Wanted(package, pattern, newest=False), ())


def _driver(host: str, settings: Settings, survey: Survey, *, newest: bool) -> Iterator[Wanted]:
    choice = driver.choose(settings.driver, survey, host=host, known=settings.knowledge.tables())
    for name in choice.packages:
        yield Wanted(name, choice.pattern, newest)
    yield Wanted(choice.pinning, "*", newest)


def _docker(
    host: str, docker: Docker, offered: Offered, *, kept: Mapping[str, str], newest: bool
) -> Iterator[Wanted]:
    package = engine.ENGINES[docker.source]
    version = engine_version(host, docker, offered)
    old = kept.get(package)
    if (
        not newest
        and old in offered[package]
        and fnmatchcase(old, docker.version.replace("auto", "*"))
    ):
        version = old
    exact = docker.changed(version=upstream(version))
    for name, pattern in engine.wanted(exact, offered).items():
        yield Wanted(name, pattern if pattern and pattern != "auto" else "*", newest)


def _exact(host: str, wanted: Wanted, offered: Offered, kept: Mapping[str, str]) -> str:
    fitting = [v for v in offered.get(wanted.package, ()) if _fits(v, wanted.pattern)]
    old = kept.get(wanted.package)
    if old in fitting and not wanted.newest:
        return old
    if not fitting:
        raise _missing(host, wanted, offered.get(wanted.package, ()))
    return fitting[0]


def _fits(version: str, pattern: str) -> bool:
    """Whether a version is as wanted; a pattern without an epoch stands for any."""
    return fnmatchcase(version, pattern) or fnmatchcase(
        version.rsplit(":", maxsplit=1)[-1], pattern
    )


def _missing(host: str, wanted: Wanted, versions: tuple[str, ...]) -> HostError:
    return HostError(
        Problem(
            host,
            f"Package {wanted.package}",
            f"{', '.join(versions) or 'no version'} in what the host's apt can have",
            "a version" if wanted.pattern == "*" else f"version {wanted.pattern}",
            "see that the repository has it; or ask for another version in the settings, or move "
            "on with torchrack lock --upgrade",
        )
    )
