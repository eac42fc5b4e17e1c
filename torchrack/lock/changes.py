"""What a new lock changes, and what that does to hosts and containers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torchrack.docker.engine import ENGINES
from torchrack.docker.engine import PACKAGES as DOCKER
from torchrack.lock.model import Group, Lock
from torchrack.lock.resolve import Part
from torchrack.settings.model import Settings
from torchrack.toolkit import PACKAGES as TOOLKIT


@dataclass(frozen=True)
class Change:
    """One thing that changes on some hosts, the same way on all of them.

    Args:
        part: what it is part of.
        what: driver, a package, or an image's reference.
        old: what it was; None: it was not there.
        new: what it will be; None: it goes.
        hosts: where.
    """

    part: Part
    what: str
    old: str | None
    new: str | None
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Consequence:
    """What the next deploy does because of a part's changes, a sentence."""

    part: Part
    text: str


def changes(old: Lock, new: Lock, fleet: Mapping[str, Settings]) -> list[Change]:
    """Return what differs between two locks, in the order of the stages.

    Args:
        old: the lock that was there.
        new: the lock that takes its place.
        fleet: host to settings, as the inventory says them.
    """
    found: dict[tuple[Part, str, str | None, str | None], list[str]] = {}
    for host, settings in fleet.items():
        for key in [
            *_of_host(old.group(host), new.group(host)),
            *_of_images(old, new, settings),
        ]:
            found.setdefault(key, []).append(host)
    order: tuple[Part, ...] = ("driver", "docker", "toolkit", "images")
    listed = [Change(*key, tuple(hosts)) for key, hosts in found.items()]
    return sorted(listed, key=lambda one: (order.index(one.part), one.what != "driver"))


def consequences(
    found: Iterable[Change],
    fleet: Mapping[str, Settings],
    loaded: Mapping[str, str | None],
    new: Lock,
) -> list[Consequence]:
    """Return what the next deploy does to hosts and containers because of changes.

    Args:
        found: the changes.
        fleet: host to settings.
        loaded: host to the version of the driver that it has loaded, None: none.
        new: the new lock.
    """
    found = list(found)
    result = []
    moved = _hosts(found, "driver", "driver")
    rebooted = [
        host
        for host in moved
        if (group := new.group(host)) and (loaded.get(host) != group.driver.version)
    ]
    if rebooted:
        text = f"needs a reboot of {_count(len(rebooted), 'host')}"
        stopped = _containers(fleet, [h for h in rebooted if loaded.get(h)])
        result.append(Consequence("driver", text + (f", {stopped}" if stopped else "")))
    engines = [one for one in found if one.what in ENGINES.values() and one.old]
    stopping = [h for one in engines for h in one.hosts if not _survives(one, fleet[h])]
    if stopping:
        result.append(Consequence("docker", _containers(fleet, stopping) or "stops no container"))
    elif engines:
        result.append(Consequence("docker", "restarts the daemon; containers go on"))
    if _hosts(found, "toolkit") and any(one.old for one in found if one.part == "toolkit"):
        text = "writes the CDI spec anew; running containers go on"
        result.append(Consequence("toolkit", text))
    images = [one for one in found if one.part == "images" and one.old and one.new]
    recreated = [
        f"{host} {workload.name}"
        for one in images
        for host in one.hosts
        for workload in fleet[host].workloads.containers
        if fleet[host].images.catalog.get(workload.image) == one.what
    ]
    if images:
        result.append(Consequence("images", f"recreates {_named(recreated)}"))
    return result


def _of_host(
    old: Group | None, new: Group | None
) -> Iterable[tuple[Part, str, str | None, str | None]]:
    drivers = [str_of(group) if group else None for group in (old, new)]
    if drivers[0] != drivers[1]:
        yield "driver", "driver", drivers[0], drivers[1]
    before, after = (dict(group.packages) if group else {} for group in (old, new))
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield part_of(name), name, before.get(name), after.get(name)


def _of_images(
    old: Lock, new: Lock, settings: Settings
) -> Iterable[tuple[Part, str, str | None, str | None]]:
    for reference in sorted(set(settings.images.catalog.values())):
        before, after = old.images.get(reference), new.images.get(reference)
        if after is not None and before != after:
            yield "images", reference, before.digest if before else None, after.digest


def str_of(group: Group) -> str:
    """Return a group's driver in a few words."""
    driver = group.driver
    return f"{driver.version} {driver.flavour} from {driver.source} ({driver.modules})"


def part_of(package: str) -> Part:
    """Return the part of the stack that a package belongs to."""
    if package in DOCKER:
        return "docker"
    return "toolkit" if package in TOOLKIT else "driver"


def _survives(change: Change, settings: Settings) -> bool:
    """Whether containers go on: live-restore is promised between patch releases alone."""
    releases = [(text or "").split(".")[:2] for text in (change.old, change.new)]
    return settings.docker.live_restore and releases[0] == releases[1]


def _hosts(found: Iterable[Change], part: Part, what: str | None = None) -> list[str]:
    hosts = (h for one in found if one.part == part and what in (None, one.what) for h in one.hosts)
    return list(dict.fromkeys(hosts))


def _containers(fleet: Mapping[str, Settings], hosts: Iterable[str]) -> str:
    names = [
        f"{host} {workload.name}"
        for host in dict.fromkeys(hosts)
        for workload in fleet[host].workloads.containers
    ]
    return f"stops {_named(names)}" if names else ""


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return _count(len(names), "container") + (f" ({shown})" if names else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
