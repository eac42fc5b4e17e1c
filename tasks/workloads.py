"""Stage ``workloads``: containers with GPUs, each owned by a systemd unit."""

from __future__ import annotations

from functools import partial

from pyinfra.api import deploy

from torchrack.context import settings
from torchrack.operations import containers, files
from torchrack.workloads.mounts import quoted, shell
from torchrack.workloads.workload import SUPERVISOR


@deploy("workloads")
def run_containers() -> None:
    """Every declared workload runs as declared; nothing else of ours does.

    Each has a container made from its pinned image, a network of its own, its volumes and
    directories, and a systemd unit that starts it at boot, after Docker and the GPUs. Containers
    that were already as declared have gone on running.
    """
    declared, catalog = settings().workloads, settings().images.catalog
    containers.only_declared(
        name="Remove containers that are no longer declared",
        workloads=declared.containers,
        images=catalog,
    )
    if not declared.containers:
        return
    files.put(
        name="Install the program that owns the containers for systemd",
        dest=SUPERVISOR,
        content=supervisor(),
        mode="0755",
        validate="sh -n {}",
    )
    data_root = quoted(str(settings().docker.extra.get("data-root") or "/var/lib/docker"))
    unit = partial(files.render, "workloads/unit.service.j2", data_root=data_root)
    for workload in declared.containers:
        containers.workload(
            name=f"Run {workload.kind} {workload.name}",
            workload=workload,
            reference=catalog[workload.image],
            unit_template=unit,
            gpu_timeout=declared.gpu_timeout,
        )


def supervisor() -> str:
    """The program with the shell functions that other scripts have too."""
    return files.read("workloads/workload").replace("# MOUNTS\n", shell())
