"""Decide what offboarding does to a host, from what is there. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from torchrack.docker.client import BY_HAND
from torchrack.docker.daemon_json import NotAnObjectError
from torchrack.errors import Problem
from torchrack.facts.docker import DAEMON_JSON
from torchrack.inventory import FleetHost
from torchrack.offboard import packages, scripts
from torchrack.offboard.brought import ACCESS
from torchrack.offboard.daemon_json import without_ours
from torchrack.offboard.model import Options, Plan, Presence, Step
from torchrack.same_server import fleet_of, refusals
from torchrack.settings.workloads import NAME
from torchrack.sshd.options import DROP_IN
from torchrack.workloads.workload import LABEL, external


def plan(host: FleetHost, now: Presence, options: Options) -> Plan:
    """Return the steps for a host, what stays, and what keeps offboarding from beginning.

    Args:
        host: the host; its settings give the order in which workloads stop.
        now: what is there.
        options: what was asked for.
    """
    found = [*_problems(host.name, now, options)]
    if now.survey:  # what the server runs would be the other name's
        found += refusals({host.name: now.survey}, fleet_of([host.data]))
    if found:
        return Plan(host.name, (), (), tuple(found))
    steps = [
        _drain(host, now),
        _containers(host, now, options),
        _images(now),
        _docker(now, options),
        packages.step(now, options),
        scripts.files_step(now),
        _sshd(host, now, options),
        scripts.rest_step(now, options),
    ]
    return Plan(host.name, tuple(step for step in steps if step), (*_stays(host, now, options),))


def _problems(host: str, now: Presence, options: Options) -> Iterable[Problem]:
    if now.dead_docker:
        yield Problem(
            host,
            "Docker",
            f"an engine that does not answer ({now.dead_docker})",
            "one that does: its containers, images and volumes have to be known",
            "sudo systemctl start docker on the host, and run again",
        )
    if now.armed:
        yield Problem(
            host,
            "sshd",
            "a configuration that waits for the login that proves it",
            "a proven one, or the one before it",
            "run torchrack deploy with --only sshd, or wait for the timer that takes it back",
        )
    if odd := sorted(name for name in _workloads(now) if not re.fullmatch(NAME, name)):
        yield Problem(
            host,
            "Containers with our label",
            f"the name {odd[0]!r}, which Torchrack never gives",
            "names of workloads",
            f"see whose they are ({BY_HAND} ps -a --filter label={LABEL}), save what is "
            "in them, and make them without the label",
        )
    if now.foreign_processes and not (options.force or options.wait):
        shown = ", ".join(f"{one.pid} ({one.name})" for one in now.foreign_processes)
        yield Problem(
            host,
            "Processes on the GPUs",
            shown,
            "none but those of our containers",
            "let them end (--wait 30min waits for that), or go on beside them with --force",
        )
    running = [one.name for one in now.others if one.running]
    if options.purge and running and not options.force:
        yield Problem(
            host,
            "Running containers that are not ours",
            ", ".join(running),
            "none, because Docker is removed",
            "stop them, leave --purge out, or end them with --force",
        )
    try:
        without_ours(now.daemon_json, now.owned, now.original_json)
    except NotAnObjectError as error:
        fix = "correct it by hand, or move it away"
        yield Problem(host, DAEMON_JSON, str(error), "a JSON object, to take our keys out of", fix)


def _workloads(now: Presence) -> list[str]:
    """Everything that left something on the host beside its data."""
    names = [unit.workload for unit in now.units]
    names += [container.workload for container in now.ours]
    return sorted({*names, *now.networks.values()})


def _drain(host: FleetHost, now: Presence) -> Step | None:
    """Workloads stop in the reverse of the order in which a deploy starts them."""
    order = [one.name for one in host.settings.workloads.containers]
    rank = {name: number for number, name in enumerate(order)}
    units = sorted(now.units, key=lambda one: (-rank.get(one.workload, len(rank)), one.name))
    return scripts.drain_step(units) if units else None


def _containers(host: FleetHost, now: Presence, options: Options) -> Step | None:
    names = _workloads(now)
    mine = [one.name for one in now.volumes if one.name not in _external(host)]
    volumes = mine + anonymous(now) if options.delete_data else []
    return scripts.containers_step(now, names, volumes) if names or volumes else None


def _external(host: FleetHost) -> frozenset[str]:
    """Volumes that the settings call somebody else's, whatever label they have."""
    return frozenset().union(*map(external, host.settings.workloads.containers))


def anonymous(now: Presence) -> list[str]:
    """Volumes that images of our containers declared: they have no name and no label."""
    used = {volume for one in now.others for volume in one.volumes}
    found = {volume for one in now.ours for volume in one.volumes}
    # An adopted container's volume can have such a name too; a workload names it, and it stays.
    found -= {volume for one in now.ours for volume in one.asked}
    return sorted(name for name in found - used if re.fullmatch(r"[0-9a-f]{64}", name))


def _images(now: Presence) -> Step | None:
    return scripts.images_step(now)


def _docker(now: Presence, options: Options) -> Step | None:
    text = without_ours(now.daemon_json, now.owned, now.original_json)
    if now.owned is None or now.daemon_json is None:
        return None
    restart = text != now.daemon_json and restarts(now, options)
    return scripts.docker_step(text, restart=restart, changed=text != now.daemon_json)


def restarts(now: Presence, options: Options) -> bool:
    """Whether Docker may take up a daemon.json without our keys at once.

    Without live-restore a restart ends the containers of others.
    """
    running = any(one.running for one in now.others)
    return now.docker == "active" and not running and not options.purge


def _sshd(host: FleetHost, now: Presence, options: Options) -> Step | None:
    if not options.unharden or DROP_IN not in now.files:
        return None
    return scripts.sshd_step(host.settings.sshd.rollback_timeout)


def _stays(host: FleetHost, now: Presence, options: Options) -> Iterable[str]:
    if not options.delete_data:
        for one in now.volumes:
            size = f", {_size(one.kib)}" if one.kib is not None else ""
            yield f"volume {one.name} of {one.workload}{size} (--delete-data removes it)"
        for name in anonymous(now):
            yield f"volume {name[:12]}, which an image declared (--delete-data removes it)"
    elif kept_volumes := _external(host) & {one.name for one in now.volumes}:
        for name in sorted(kept_volumes):
            yield f"volume {name}, which the settings call somebody else's"
    made = {one.name for one in now.volumes}
    theirs = {volume for one in now.ours for volume in one.volumes} - made - set(anonymous(now))
    for volume in sorted(theirs):
        yield f"volume {volume}, which Torchrack has not made"
    for path in sorted({path for one in now.ours for path in one.binds}):
        yield f"directory {path}, which a workload had mounted"
    for other in now.others:
        yield f"container {other.name}, which is not ours{', running' if other.running else ''}"
    for name in scripts.used_images(now):
        yield f"image {name}, which other containers use"
    late = now.owned is not None and now.docker == "active" and not restarts(now, options)
    if late and not options.purge:
        yield "Docker as it runs: it takes up daemon.json without our keys at its next restart"
    kept = [] if options.unharden else [path for path in ACCESS if path in now.files]
    if kept:
        yield f"who gets in: {', '.join(kept)} (--unharden takes them back)"
    yield "accounts, their keys and the group that may log in"
    yield from packages.stays(now, options)


def _size(kib: int) -> str:
    for unit, factor in (("GiB", 2**20), ("MiB", 2**10)):
        if kib >= factor:
            return f"{kib / factor:.1f} {unit}"
    return f"{kib} KiB"
