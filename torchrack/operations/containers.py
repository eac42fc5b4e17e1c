"""Workloads as declared: containers, their networks and volumes, and the units that own them.

pyinfra's docker.container never notices that a container differs from its declaration, and knows
neither GPUs nor limits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from pyinfra import host
from pyinfra.api.command import StringCommand
from pyinfra.api.host import Host

from torchrack.context import current_host
from torchrack.difference import differs
from torchrack.docker.client import BY_HAND
from torchrack.errors import HostError, Problem, StageError
from torchrack.facts.containers import Found, Workloads
from torchrack.facts.gather import gather
from torchrack.operations import files
from torchrack.operations.guard import Commands, operation
from torchrack.settings.workloads import NAME, Workload
from torchrack.workloads import commands, mounts, replacement, volumes
from torchrack.workloads import workload as names
from torchrack.workloads.declare import Template, declare
from torchrack.workloads.diff import owner
from torchrack.workloads.plan import (
    Declared,
    Plan,
    foreign_objects,
    is_at_rest,
    plan,
)

_found: WeakKeyDictionary[Host, Found] = WeakKeyDictionary()
"""What was found at the start of the stage; each later step changes only its own workload."""


@operation
def only_declared(*, workloads: Sequence[Workload], images: dict[str, str]) -> Commands:
    """Remove containers and units of ours that are no longer declared; their data stays.

    Reads, for the whole stage, what is on the host, and refuses to go on where something that is
    not ours has a declared name.

    Args:
        workloads: all declared workloads.
        images: the catalog: name to reference.
    """
    found = _look(workloads, images)
    if found.replacing:
        for name in sorted(found.replacing):
            host.log(f"{name}: another run is replacing its container, and is waited for")
        yield StringCommand(replacement.wait_for(found.replacing), _timeout=3600)
        found = _look(workloads, images)
    _found[current_host()] = found
    declared = {workload.name for workload in workloads}
    problems = [p for name in sorted(declared) for p in foreign_objects(host.name, name, found)]
    problems += volumes.problems(host.name, workloads, found.origins)
    for one in workloads:
        problems += [] if is_at_rest(one, found) else mounts.problems(host.name, one, found.away)
    if problems:
        raise StageError(problems[0])
    nothing = True
    for name in sorted(_ours(found) - declared):
        nothing = False
        expected = "nothing that is not declared"
        differs(f"container:{name}", "declared", expected=expected, actual="a workload of ours")
        yield from _remove(name, found)
    for container in found.containers.values():
        name, label = container["Name"].removeprefix("/"), owner(container)
        if label not in declared or name == label or label in found.replacing:
            continue
        # Where a replacement was cut off, one of its two containers is made NAME later on.
        if label in found.containers or name not in (f"{label}.next", f"{label}.previous"):
            nothing = False
            expected = f"the container {label} alone"
            differs(f"container:{name}", "declared", expected=expected, actual="a second one")
            yield StringCommand(commands.remove_container(container["Id"]))
    if nothing:
        host.noop("no container or unit of ours that is not declared")


def _look(workloads: Sequence[Workload], images: dict[str, str]) -> Found:
    return gather(
        Workloads,
        names=[workload.name for workload in workloads],
        volumes=sorted({volume for w in workloads for volume in names.volumes(w)}),
        images=sorted({names.by_digest(images[w.image]) for w in workloads}),
        paths=sorted({path for w in workloads for path in _paths(w)}),
        binds=sorted({path for w in workloads for path in names.binds(w)}),
    )


@operation
def workload(
    *, workload: Workload, reference: str, unit_template: Template, gpu_timeout: int
) -> Commands:
    """Make one workload run as declared; one that does is not touched.

    Args:
        workload: the workload.
        reference: its image, pinned by digest.
        unit_template: makes its unit's file.
        gpu_timeout: how long its start waits for the GPUs, seconds.
    """
    found = _found[current_host()]
    entrypoint = found.entrypoints.get(names.by_digest(reference), ())
    declared = declare(workload, reference, entrypoint, unit_template, gpu_timeout)
    todo = plan(declared, found)
    missing = mounts.problems(host.name, workload, found.away)
    if missing and todo.touches_mounts:
        raise HostError(missing[0])
    if not todo.changes:
        host.noop(f"{workload.name} is as declared")
        return
    for reason in todo.reasons:
        host.log(f"{workload.name}: {reason}")
        resource = f"container:{workload.name}"
        differs(resource, _aspect(reason), expected="as declared", actual=reason)
    _tell(declared, todo)
    yield from _prepare(declared, todo)
    if todo.container == "replace":
        yield from _replace(declared, todo, gpu_timeout)
    else:
        yield from _keep(declared, todo)


def _tell(declared: Declared, todo: Plan) -> None:
    """Say what of a workload beside its container is not as declared, for reports."""
    name = declared.workload.name
    unit = f"unit:{names.unit_name(name)}"
    if todo.own_file and declared.own_file is not None:
        resource, expected = f"file:{declared.own_file.path}", "content, mode and owner as declared"
        differs(resource, "content", expected=expected, actual="other ones")
    if todo.network:
        network = names.network_name(name)
        differs(f"network:{network}", "exists", expected="the network", actual="none")
    for volume in todo.new_volumes:
        differs(f"volume:{volume}", "exists", expected="the volume", actual="none")
    for path in (*todo.chown_volumes, *todo.new_binds):
        expected = f"a folder of {declared.workload.user}"
        differs(f"file:{path}", "owner", expected=expected, actual="none, or another's")
    if todo.reload and not todo.unit_file:
        differs(unit, "loaded", expected="its file on disk", actual="an older version")
    if todo.enable:
        differs(unit, "enabled", expected="enabled", actual="disabled")


def _aspect(reason: str) -> str:
    """The first words of a reason, which are the same from night to night."""
    return " ".join(re.findall(r"[A-Za-z]+", reason)[:4]).lower()


def _prepare(declared: Declared, todo: Plan) -> Commands:
    """Secrets, network, volumes and directories: what a container needs before it is created."""
    name, user = declared.workload.name, declared.workload.user
    own = declared.own_file
    if own is not None and todo.own_file:
        yield StringCommand(commands.make_own_directory(own))
        if own.content is None:
            yield StringCommand(commands.make_token(own))
        else:
            uid, gid = own.owner.split(":")
            yield from files.put._inner(
                dest=own.path, content=own.content, owner=uid, group=gid, mode=own.mode, secret=True
            )
    if todo.network:
        yield StringCommand(commands.make_network(name))
    for volume in todo.new_volumes:
        yield StringCommand(commands.make_volume(volume, name, user))
    for path in todo.chown_volumes:
        yield StringCommand(commands.chown_empty(path, user))
    for path in todo.new_binds:
        yield StringCommand(commands.make_bind(path, user))


def _replace(declared: Declared, todo: Plan, gpu_timeout: int) -> Commands:
    """Make a new container; the old one goes when the new one has proven itself."""
    limit = replacement.seconds(declared, gpu_timeout)
    # Says how the unit's file differs; it is written when the new container is proven.
    list(_write_unit(declared, todo))
    yield StringCommand(replacement.create(declared, gpu_timeout), _timeout=limit)
    script = files.read("workloads/replace.sh")
    # Longer than the host's own limit, after which it brings the old container back.
    yield StringCommand(replacement.swap(declared, gpu_timeout, script), _timeout=2 * limit + 60)


def _write_unit(declared: Declared, todo: Plan) -> Commands:
    if todo.unit_file:
        path = names.unit_path(declared.workload.name)
        yield from files.put._inner(dest=path, content=declared.unit_file)


def _keep(declared: Declared, todo: Plan) -> Commands:
    name, settings = declared.workload.name, declared.workload
    if todo.container == "update":
        yield StringCommand(commands.update_limits(name, todo.update))
    yield from _write_unit(declared, todo)
    if todo.reload:
        yield StringCommand("systemctl daemon-reload")
    if todo.enable:
        yield StringCommand(f"systemctl enable --quiet {names.unit_name(name)}")
    if todo.start != "no":
        timeout = settings.start_timeout + settings.stop_timeout + 300
        yield StringCommand(commands.start_unit(name, todo.start), _timeout=timeout)


def _remove(name: str, found: Found) -> Commands:
    containers = [c for c in found.containers.values() if owner(c) == name]
    volumes = [volume for volume, state in found.volumes.items() if state.label == name]
    kept = commands.kept_data(containers, volumes)
    host.log(f"{name} is no longer declared; its data stays: {', '.join(kept) or 'it has none'}")
    script = commands.remove_workload(
        name,
        [container["Id"] for container in containers],
        network=found.networks.get(names.network_name(name)) == name,
        unit=name in found.unit_files,
    )
    yield StringCommand(script, _timeout=1800)


def _ours(found: Found) -> set[str]:
    """All workloads that left something on the host beside their data."""
    labels = {owner(container) for container in found.containers.values()}
    labels |= {label for network, label in found.networks.items() if label}
    labels |= found.unit_files
    odd = sorted(str(label) for label in labels if label and not re.match(NAME, label))
    if odd:
        raise HostError(
            Problem(
                where=host.name,
                what=f"Objects labelled {names.LABEL}",
                found=f"the name {odd[0]!r}, which Torchrack never gives",
                needed="names of workloads",
                fix=f"see whose they are ({BY_HAND} ps -a, network ls, volume ls with --filter "
                f"label={names.LABEL}), save what they hold, and make them without the label",
            )
        )
    return {label for label in labels if label}


def _paths(workload: Workload) -> list[str]:
    own = names.directory(workload.name)
    files = [f"{own}/{name}" for name in (names.TOKEN, names.KEYS)]
    return [names.unit_path(workload.name), own, *files, *names.binds(workload)]
