"""The Docker engine: checked, configured before its first start, installed, and kept up to date.

pyinfra has operations for containers and images, none for the daemon.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.connect import INSTALL_TIMEOUT
from torchrack.docker import engine as docker_engine
from torchrack.docker.version import major
from torchrack.errors import HostError, Problem
from torchrack.facts.docker import DAEMON_JSON, OWNED, TAKEN, Available
from torchrack.facts.gather import gather
from torchrack.facts.packages import Packages
from torchrack.operations import apt, files
from torchrack.operations.guard import Commands, operation
from torchrack.settings.docker import Docker

KEPT = "/var/lib/torchrack/engine-before"
"""Where the packages of the engine lie while it is upgraded."""


@operation
def check(*, settings: Docker) -> Commands:
    """Stop the host before any change if it can't get the engine that is asked for.

    Changes nothing. A host whose apt has no lists yet is let through: apt's plan tells.

    Args:
        settings: the section.
    """
    now = gather(Packages, names=list(docker_engine.PACKAGES))
    package = docker_engine.ENGINES[settings.source]
    others = docker_engine.foreign(settings, now)
    if others:
        raise HostError(
            Problem(
                where=host.name,
                what="Docker of another source",
                found=f"{', '.join(others)} installed",
                needed=f"{package}, which can't stand beside it",
                fix="set docker.source to the other source; or stop what runs and remove those "
                "packages (apt-get remove, never purge: images and volumes stay in "
                "/var/lib/docker, which Debian's docker.io deletes when it is purged)",
            )
        )
    present = now.get(package)
    if present and present.installed:
        _refuse_downgrade(settings, present.version)
        if fnmatchcase(present.version, settings.version):
            host.noop(f"{package} {present.version} is installed")
            return
    _refuse_missing(settings, gather(Available, names=[package]).get(package, ()))
    host.noop(f"{package} {settings.version} can be installed")
    yield from ()


@operation
def engine(*, versions: Mapping[str, str], sources: tuple[str, ...] = ()) -> Commands:
    """Install the engine at its versions, with its client, and hold it.

    One that does not start after an upgrade goes back to the packages that ran, as far as a source
    or apt's cache still has them, and to the daemon.json of before.

    Args:
        versions: package to exact version, out of the lock.
        sources: URIs of the only repositories that it may come from; empty: all that apt has.
    """
    # docker.io only recommends iptables, and without it the daemon does not start.
    wanted = {"iptables": None, **versions}
    present = gather(Packages, names=list(wanted))
    old = {n: p.version for n, p in present.items() if n in versions and p.installed}
    change = apt.packages._inner(
        versions=wanted,
        sources=sources,
        hold=True,
        free=("iptables",),
        allow_downgrade=True,  # within a major version; check() has refused the rest
    )
    first = next(change, None)
    if first is None:
        return
    moves = {n: v for n, v in old.items() if not fnmatchcase(v, versions[n] or "*")}
    if not moves:
        yield first
        yield from change
        return
    words = {
        "kept": KEPT,
        "packages": _words(f"{n}={v}" for n, v in moves.items()),
        "names": _words(moves),
        "wanted": ", ".join(f"{n} {versions[n]}" for n in moves),
        "before": ", ".join(f"{n} {v}" for n, v in moves.items()),
        "daemon_json": DAEMON_JSON,
        "owned": OWNED,
        "taken": TAKEN,
    }
    yield StringCommand(files.render("docker/keep_engine.sh.j2", **words), _timeout=INSTALL_TIMEOUT)
    yield first
    yield from change
    started = apt.PROGRAM + files.render("docker/started.sh.j2", **words)
    yield StringCommand(started, _timeout=INSTALL_TIMEOUT)


def _words(texts: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, texts))


def _refuse_missing(settings: Docker, versions: tuple[str, ...]) -> None:
    if versions and not any(fnmatchcase(version, settings.version) for version in versions):
        raise docker_engine.unavailable(host.name, settings, versions)


def _refuse_downgrade(settings: Docker, installed: str) -> None:
    if major(settings.version) >= major(installed):
        return
    raise HostError(
        Problem(
            where=host.name,
            what="Docker engine",
            found=f"version {installed} installed",
            needed=f"version {settings.version}, an older major version",
            fix="set docker.version to the installed one; Docker does not promise that an older "
            "engine reads what a newer one wrote to /var/lib/docker",
        )
    )
