"""Volumes that a workload would take up although they are somebody else's. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from torchrack.errors import Problem
from torchrack.facts.volumes import MOST_ENTRIES, Origin
from torchrack.settings.workloads import Workload
from torchrack.workloads.workload import external, mounts


def problems(
    host: str, workloads: Iterable[Workload], there: Mapping[str, Origin]
) -> Iterator[Problem]:
    """Yield what is wrong with the volumes that workloads name.

    Args:
        host: the host's name.
        workloads: the declared workloads.
        there: those of the named volumes that exist.
    """
    for workload in workloads:
        meant = external(workload)
        for mount in mounts(workload):
            if mount.kind != "volume":
                continue
            origin = there.get(mount.source)
            what = f"Workload {workload.name}: volume {mount.source}"
            if mount.source in meant and origin is None:
                yield Problem(
                    host,
                    what,
                    "no such volume",
                    "the one that external=True speaks of: Torchrack does not make it",
                    "correct the name, make the volume on the host, or leave external=True out",
                )
            elif mount.source not in meant and origin is not None and not origin.ours:
                yield Problem(
                    host,
                    what,
                    f"a volume of that name that Torchrack has not made: {describe(origin)}",
                    "a name that is free, or the word that this volume is meant",
                    f'choose another name, or say Mount(source="{mount.source}", '
                    f'target="{mount.target}", external=True); it was left alone',
                )


def describe(origin: Origin) -> str:
    """Return whose a volume is, as far as Docker knows."""
    parts = [f"made {origin.created}" if origin.created else "made at an unknown time"]
    if origin.project:
        parts.append(f"by the Compose project {origin.project}")
    if origin.driver != "local" or origin.options:
        options = ", ".join(f"{key}={value}" for key, value in sorted(origin.options.items()))
        parts.append(f"driver {origin.driver}" + (f" ({options})" if options else ""))
    users = [name for name, _ in origin.users]
    parts.append(f"used by {', '.join(users)}" if users else "used by no container")
    if origin.entries is not None and not origin.options:  # options: its files are elsewhere
        many = origin.entries > MOST_ENTRIES
        parts.append(f"more than {MOST_ENTRIES} files" if many else f"{origin.entries} file(s)")
    return ", ".join(parts)
