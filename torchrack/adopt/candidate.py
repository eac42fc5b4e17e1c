"""The server as a member of its fleet: where it would be written down, and with which settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from torchrack.errors import Problem, ProblemsError
from torchrack.fleet_folder import group_data_of
from torchrack.hosts_file import Entry
from torchrack.inventory import FleetHost, OpenGroup
from torchrack.lock.file import shown
from torchrack.same_server import canonical
from torchrack.settings.load import load_folder
from torchrack.settings.model import Settings, merge
from torchrack.settings.section import Section


@dataclass(frozen=True)
class Place:
    """Where a server in use is to be written down.

    Args:
        group: the group that it joins.
        inventory: the fleet's inventory file.
        name: its name.
    """

    group: OpenGroup
    inventory: Path
    name: str

    @property
    def settings_file(self) -> Path:
        """The file with its group's settings."""
        return self.inventory.parent / "group_data" / f"{self.group.name}.py"

    def certificate(self, name: str) -> Path:
        """Return where a certificate is kept."""
        return self.inventory.parent / "certificates" / f"{self.name}-{name}"


def group_of(
    name: str | None, groups: Sequence[OpenGroup], inventory: Path, where: str
) -> OpenGroup:
    """Return the group that a server joins.

    Args:
        name: the group that was asked for; None: the only one.
        groups: those that the inventory takes hosts into.
        inventory: its file, for messages.
        where: the server's name, for messages.

    Raises:
        ProblemsError: there is none of that name, or it is not clear which.
    """
    names = {group.name: group for group in groups}
    if name in names:
        return names[name]
    if name is None and len(groups) == 1:
        return groups[0]
    line = f'{name or "adopted"} = hosts_of(__file__, "{name or "adopted"}", user=..., key=...)'
    found = f"no group {name}" if name else f"{len(names) or 'no'} groups to choose from"
    needed = f"one of {', '.join(names)}" if names else "a group that takes hosts"
    fix = "--group NAME" if names and not name else f"add this to the inventory: {line}"
    raise ProblemsError(
        "Nothing was begun; no host was contacted.",
        [Problem(where, "Group", f"{found} in {shown(inventory)}", needed, fix)],
    )


def taken(fleet: Sequence[FleetHost], name: str, entry: Entry, inventory: Path) -> list[Problem]:
    """Return what keeps a server from joining: its name or its address is taken."""
    problems = []
    for host in fleet:
        address, port = host.data["ssh_hostname"], host.data["ssh_port"]
        if host.name == name:
            found = f"a host of that name in {shown(inventory)}, at {address}"
            fix = "choose another --name; a host of the fleet is looked at with torchrack drift"
            problems.append(Problem(name, "Name", found, "a name of its own", fix))
        elif (canonical(address), port) == (canonical(entry.address), entry.port):
            found = f"{entry.address} port {entry.port}, which is {host.name}'s"
            fix = f"correct --address, or: torchrack offboard {shown(inventory)} {host.name}"
            problems.append(Problem(name, "Address", found, "an address of its own", fix))
    return problems


def with_proposal(
    host: FleetHost, proposed: Mapping[str, Section], inventory: Path
) -> tuple[Settings, list[str]]:
    """Return the settings that a host would have, and what of the proposal would not hold.

    The proposal goes into its group's file: the file named like the inventory, and the sections
    that the inventory gives its hosts, stand above that.

    Args:
        host: the host, as the inventory knows it without the proposal.
        proposed: the proposed sections.
        inventory: its file.
    """
    below = {one.name: getattr(host.settings, one.name) for one in fields(host.settings)}
    above: dict[str, Section] = {}
    for folder in group_data_of(inventory):
        above |= load_folder(folder)[0].get(inventory.stem, {})
    own = {key: value for key, value in host.data.items() if isinstance(value, Section)}
    settings = merge([below, proposed, above, own])
    lost = [
        f"{name}.{field} = {getattr(getattr(settings, name), field)!r}"
        for name, section in proposed.items()
        for field in section.model_fields_set
        if getattr(getattr(settings, name), field) != getattr(section, field)
    ]
    return settings, lost
