"""A fleet's new lock out of the old one and the hosts' new entries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from torchrack.lock.model import Group, Lock, LockedImage


def build(
    old: Lock,
    entries: Mapping[str, Group],
    images: Mapping[str, LockedImage],
    fleet: Collection[str],
) -> Lock:
    """Return the new lock; hosts without a new entry keep their old one, hosts that left go.

    Args:
        old: the lock that was there.
        entries: host to its new entry.
        images: reference to what it stands for: all that the fleet names.
        fleet: the names of all hosts of the inventory.
    """
    kept = {name: group for group in old.groups for name in group.hosts if name in fleet}
    return Lock(schema=1, images=dict(images), groups=grouped({**kept, **entries}))


def grouped(entries: Mapping[str, Group]) -> tuple[Group, ...]:
    """Return the groups of hosts whose entries are equal, sorted by their first host."""
    alike: dict[str, list[str]] = {}
    body: dict[str, Group] = {}
    for name, group in sorted(entries.items()):
        key = group.model_dump_json(exclude={"hosts"})
        alike.setdefault(key, []).append(name)
        body[key] = group
    return tuple(
        body[key].model_copy(update={"hosts": tuple(names)}) for key, names in alike.items()
    )


def like(lock: Lock, asked: Mapping[str, str], os: str) -> Group | None:
    """Return the largest group with the same settings and system: a new host joins its versions.

    Args:
        lock: the fleet's lock.
        asked: what the new host's settings ask for.
        os: its system.
    """
    fitting: Iterable[Group] = (
        group for group in lock.groups if group.asked == asked and group.found.os == os
    )
    return max(fitting, key=lambda group: len(group.hosts), default=None)
