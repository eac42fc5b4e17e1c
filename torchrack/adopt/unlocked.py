"""Images of a proposal whose tags no lock has yet: no registry is asked for their digests."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from torchrack.drift.model import Finding
from torchrack.errors import Problem
from torchrack.inventory import FleetHost
from torchrack.lock.asked import tagged
from torchrack.lock.file import shown
from torchrack.lock.fleet import lock_of
from torchrack.lock.model import LockedImage
from torchrack.settings.model import Settings


def digests(host: FleetHost) -> dict[str, LockedImage]:
    """What the fleet's lock says of tags; other members may have them in their catalogs."""
    lock = lock_of(host.data) if "_lock_file" in host.data else None
    return dict(lock.images) if lock else {}


def without(settings: Settings, images: Collection[str]) -> Settings:
    """Return settings without the images whose digest is not known, and what runs on them.

    Args:
        settings: what is proposed.
        images: the tags whose digest is known.
    """
    catalog = {
        name: ref for name, ref in settings.images.catalog.items() if "@" in ref or ref in images
    }
    workloads = [one for one in settings.workloads.containers if one.image in catalog]
    return replace(
        settings,
        images=settings.images.changed(catalog=catalog),
        workloads=settings.workloads.changed(containers=workloads),
    )


def is_left_out(finding: Finding, all_: Settings, known: Settings) -> bool:
    """Whether a finding is about a workload that was only left out: it is declared."""
    left = {one.name for one in all_.workloads.containers}
    left -= {one.name for one in known.workloads.containers}
    return any(finding.id.startswith(f"workloads.container:{name}.") for name in left)


def problems(host: FleetHost, images: Collection[str], inventory: Path) -> list[Problem]:
    """Return a problem for each tag whose digest is not known.

    Args:
        host: the server with the settings that it would have.
        images: the tags whose digest is known.
        inventory: the inventory's path.
    """
    settings = host.settings
    file = shown(host.data.get("_lock_file") or "the lock")
    found = []
    for reference in tagged(settings):
        if reference in images:
            continue
        names = {name for name, ref in settings.images.catalog.items() if ref == reference}
        users = [one.name for one in settings.workloads.containers if one.image in names]
        about = f" and with the workload(s) {', '.join(users)}" if users else ""
        found.append(
            Problem(
                host.name,
                f"Image {reference}",
                f"no digest in {file}",
                "the digest that its tag means",
                f"what a deploy does with it{about} is not known before the server is in the "
                f"fleet, and locked: torchrack lock {shown(inventory)}",
            )
        )
    return found
