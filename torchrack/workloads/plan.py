"""Decide what has to change on a host for one workload to be as declared. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from torchrack.docker.client import BY_HAND
from torchrack.errors import Problem
from torchrack.facts.containers import Found, Volume
from torchrack.settings.workloads import Workload
from torchrack.workloads import workload as names
from torchrack.workloads.diff import Difference, differences, owner


@dataclass(frozen=True)
class OwnFile:
    """A file of ours that a container has mounted: a token or authorized_keys.

    Args:
        path: where it lies on the host.
        directory_mode: permission bits of its directory (octal), which has the same owner.
        mode: its permission bits (octal).
        owner: uid:gid.
        content: what it holds; None for a token that is made on the host and then kept.
    """

    path: str
    directory_mode: str
    mode: str
    owner: str
    content: str | None = field(repr=False)


@dataclass(frozen=True)
class Declared:
    """One workload with all that follows from its settings."""

    workload: Workload
    spec: names.ContainerSpec
    unit_file: str
    own_file: OwnFile | None


@dataclass(frozen=True)
class Plan:
    """What has to be done, in the order of the fields.

    Args:
        own_file: write the token or the keys.
        network: make the network.
        new_volumes: volumes to make.
        chown_volumes: paths of volumes of ours that are still empty and belong to somebody else.
        new_binds: directories of the host to make.
        container: "replace" covers creation as well; "update" changes limits in place.
        update: arguments of ``docker update``.
        unit_file: write the unit's file.
        reload: let systemd read its files again.
        enable: make it start at boot.
        start: start or restart the unit.
        reasons: what was found that is not as declared, for people.
    """

    own_file: bool
    network: bool
    new_volumes: tuple[str, ...]
    chown_volumes: tuple[str, ...]
    new_binds: tuple[str, ...]
    container: Literal["keep", "update", "replace"]
    update: tuple[str, ...]
    unit_file: bool
    reload: bool
    enable: bool
    start: Literal["no", "start", "restart"]
    reasons: tuple[str, ...]

    @property
    def touches_mounts(self) -> bool:
        """Whether a container starts, or a directory is made for one."""
        return self.container == "replace" or self.start != "no" or bool(self.new_binds)

    @property
    def changes(self) -> bool:
        """Whether anything is to do."""
        return (
            self.container != "keep"
            or self.start != "no"
            or any(
                (
                    self.own_file,
                    self.network,
                    self.new_volumes,
                    self.chown_volumes,
                    self.new_binds,
                    self.unit_file,
                    self.reload,
                    self.enable,
                )
            )
        )


def foreign_objects(host: str, name: str, found: Found) -> list[Problem]:
    """What has the workload's names on the host but is not ours, and so stays untouched."""
    found_objects = []
    container = found.containers.get(name)
    if container is not None and owner(container) != name:
        found_objects.append(("container", name, f"{BY_HAND} rename {name} OTHER"))
    network = names.network_name(name)
    if network in found.networks and found.networks[network] != name:
        remove = f"{BY_HAND} network rm {network}, once nothing is attached to it"
        found_objects.append(("network", network, remove))
    unit = found.units.get(name)
    if unit is not None and unit.load != "not-found" and name not in found.unit_files:
        found_objects.append(("systemd unit", names.unit_name(name), "renaming it"))
    return [
        Problem(
            where=host,
            what=f"Workload {name}: {kind} {object_name}",
            found=f"a {kind} of that name that Torchrack has not made",
            needed="a free name",
            fix=f"rename the workload, or make room by {remedy}; it was left alone",
        )
        for kind, object_name, remedy in found_objects
    ]


def is_at_rest(workload: Workload, found: Found) -> bool:
    """Whether a workload's container runs, or has done its job: nothing will be mounted anew."""
    container = found.containers.get(workload.name)
    if container is None:
        return False
    done = workload.is_job and found.completed.get(workload.name) == container["Id"]
    return done or bool(container["State"]["Status"] == "running")


def plan(declared: Declared, found: Found) -> Plan:
    """Compare a declared workload with what was found.

    Args:
        declared: the workload.
        found: the host's containers, volumes, units and files.
    """
    workload, name = declared.workload, declared.workload.name
    container = found.containers.get(name)
    diffs = differences(declared.spec, container) if container else []
    replace = container is None or any(not diff.update for diff in diffs)
    own_volumes = [v for v in names.volumes(workload) if v not in names.external(workload)]
    unit = found.units.get(name)
    unit_sum = hashlib.sha256(declared.unit_file.encode()).hexdigest()
    unit_path = found.paths.get(names.unit_path(name))
    new_unit = unit_path is None or unit_path.sha256 != unit_sum
    start, why = _start(declared, found, replace)
    return Plan(
        own_file=_own_file_differs(declared.own_file, found),
        network=names.network_name(name) not in found.networks,
        new_volumes=tuple(v for v in own_volumes if v not in found.volumes),
        chown_volumes=tuple(
            found.volumes[v].path
            for v in own_volumes
            if v in found.volumes and _unowned(found.volumes[v], workload.user)
        ),
        new_binds=tuple(path for path in names.binds(workload) if path not in found.paths),
        container="replace" if replace else "update" if diffs else "keep",
        update=() if replace else _merged(diffs),
        unit_file=new_unit,
        reload=new_unit or (unit is not None and unit.needs_reload),
        enable=unit is None or unit.enabled != "enabled",
        start=start,
        reasons=tuple(
            [*(str(diff) for diff in diffs), *([why] if why else [])]
            if container
            else ["there is no such container"]
        ),
    )


def is_done(declared: Declared, found: Found) -> bool:
    """Whether a job has come to its end in the container that is there."""
    container = found.containers.get(declared.workload.name)
    done = found.completed.get(declared.workload.name)
    return declared.workload.is_job and container is not None and done == container["Id"]


def _start(
    declared: Declared, found: Found, replace: bool
) -> tuple[Literal["no", "start", "restart"], str]:
    container = found.containers.get(declared.workload.name)
    unit = found.units.get(declared.workload.name)
    if container is None or replace:
        return "start", ""
    if is_done(declared, found):
        return "no", ""
    if unit is None or unit.active != "active":
        return "start", f"its unit is {unit.active if unit else 'missing'}"
    state = container["State"]
    health = (state.get("Health") or {}).get("Status")
    if state["Status"] != "running" or health == "unhealthy":
        return "restart", f"its container is {state['Status']}, {health or 'without health check'}"
    if _token_is_newer(declared, found, state):
        return "restart", "its token is newer than its process"
    return "no", ""


def _token_is_newer(declared: Declared, found: Found, state: dict[str, Any]) -> bool:
    """A process reads its token once, at its start; authorized_keys are read at each login."""
    if declared.workload.kind != "jupyter" or declared.own_file is None:
        return False
    if _own_file_differs(declared.own_file, found):
        return True
    return found.paths[declared.own_file.path].changed > _epoch(state["StartedAt"])


def _epoch(timestamp: str) -> float:
    """Seconds since the epoch of Docker's RFC 3339 time, which has nanoseconds."""
    seconds, _, fraction = timestamp.rstrip("Z").partition(".")
    return datetime.fromisoformat(seconds + "+00:00").timestamp() + float(f"0.{fraction or 0}")


def _own_file_differs(own_file: OwnFile | None, found: Found) -> bool:
    if own_file is None:
        return False
    directory, now = (
        found.paths.get(own_file.path.rpartition("/")[0]),
        found.paths.get(own_file.path),
    )
    if directory is None or now is None:
        return True
    if (directory.mode, directory.owner) != (own_file.directory_mode, own_file.owner):
        return True
    if (now.mode, now.owner) != (own_file.mode, own_file.owner):
        return True
    if own_file.content is None:
        return now.size < 33  # 32 characters and the end of the line
    return now.sha256 != hashlib.sha256(own_file.content.encode()).hexdigest()


def _unowned(volume: Volume, user: str) -> bool:
    return bool(volume.label) and volume.empty and volume.owner not in ("", user)


def _merged(diffs: list[Difference]) -> tuple[str, ...]:
    """The arguments of all differences, each option once."""
    options: dict[str, str] = {}
    for diff in diffs:
        options |= dict(zip(diff.update[::2], diff.update[1::2], strict=True))
    return tuple(word for pair in options.items() for word in pair)
