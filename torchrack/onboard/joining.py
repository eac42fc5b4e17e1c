"""Newcomers and the fleet that they are to join: who is in it already, and what clashes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torchrack.errors import HostError, Problem, ProblemsError
from torchrack.hosts_file import Entry, proposing
from torchrack.inventory import FleetHost, OpenGroup
from torchrack.lock.file import shown
from torchrack.onboard.admin import admin_problems
from torchrack.onboard.hosts_list import Row
from torchrack.onboard.model import Newcomer
from torchrack.onboard.pins import pinned
from torchrack.same_server import canonical

ADMIN = "torchrack"
"""The account that is made where neither the command nor the inventory names one."""

LOGIN = frozenset({"key", "agent", "password_file", "password_env"})
"""The fields of a row that say how the first login is made."""

_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")

Fresh = tuple[Newcomer, OpenGroup, Entry, bool]
"""What a Joining of a newcomer is made of."""

Read = Callable[[], tuple[Sequence[FleetHost], Sequence[OpenGroup]]]
"""Reads the inventory: its hosts, and the groups that take more."""


@dataclass(frozen=True)
class Joining:
    """A newcomer as a member of its fleet.

    Args:
        newcomer: who it is, with nothing left open.
        row: what was asked for.
        host: it, as the fleet's commands would know it: connection of the admin, and settings.
        listed: whether the inventory has it already.
        group: the group that it joins; None where it is listed.
        entry: its lines in the hosts file; None where it is listed.
        known: whether its admin may be there without a first login: the inventory has it, or its
            host key was pinned before it booted.
        later: those that were named after it, and stand below it in the hosts file.
        others: the connection data of all other hosts that the fleet has or gets.
    """

    newcomer: Newcomer
    row: Row
    host: FleetHost
    listed: bool
    group: OpenGroup | None = None
    entry: Entry | None = None
    known: bool = False
    later: tuple[str, ...] = ()
    others: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def known_hosts(self) -> Path:
        """The file that its host key is pinned in."""
        return Path(self.host.data["ssh_known_hosts_file"])


def join(
    inventory: Path, rows: Sequence[Row], defaults: Mapping[str, object], read: Read
) -> list[Joining]:
    """Return the newcomers as members of the fleet; nothing is written, and no host is contacted.

    Args:
        inventory: the fleet's inventory file.
        rows: what is asked for.
        defaults: values of :class:`Row`'s fields that hold where a row is silent.
        read: reads the inventory.

    Raises:
        ProblemsError: a name or an address is taken, or something is missing; all is told.
    """
    fleet, groups = read()
    there = {host.name: host for host in fleet}
    rows = [_filled(row, defaults) for row in rows]
    problems = _twice(rows)
    listed: dict[str, Newcomer] = {}
    fresh: dict[str, Fresh] = {}
    for row in rows:
        if row.name in there:
            problems += _another(row, there[row.name], inventory)
            listed[row.name] = _known(row, there[row.name])
            continue
        problems += [
            _taken(row, host.name, inventory) for host in fleet if _place(host) == _wanted(row)
        ]
        try:
            fresh[row.name] = _new(row, inventory, groups)
        except ProblemsError as error:
            problems += error.problems
    if problems:
        raise ProblemsError("Nothing was begun; no host was contacted.", problems)
    hosts = _proposed(fresh, read) if fresh else {}
    all_data = {host.name: host.data for host in (*fleet, *hosts.values())}
    others = {
        row.name: {name: data for name, data in all_data.items() if name != row.name}
        for row in rows
    }
    return [
        Joining(listed[row.name], row, there[row.name], True, known=True, others=others[row.name])
        if row.name in listed
        else Joining(
            fresh[row.name][0],
            row,
            hosts[row.name],
            False,
            *fresh[row.name][1:],
            later=tuple(one.name for one in rows[number:]),
            others=others[row.name],
        )
        for number, row in enumerate(rows, 1)
    ]


def _proposed(fresh: Mapping[str, Fresh], read: Read) -> dict[str, FleetHost]:
    """The hosts as they will be, settings included."""
    with ExitStack() as stack:
        for name, (_, group, entry, _) in fresh.items():
            stack.enter_context(_pins(group.known_hosts))
            stack.enter_context(proposing(group.hosts_file, group.name, name, entry))
        fleet, _ = read()
    return {host.name: host for host in fleet if host.name in fresh}


@contextmanager
def _pins(file: Path) -> Iterator[None]:
    """Have a file of pinned keys, without which an inventory is refused, for a fleet's first host.

    The step that pins a key makes it for good.
    """
    missing = not file.exists()
    if missing:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    try:
        yield
    finally:
        if missing and file.exists() and not file.stat().st_size:
            file.unlink()


def _filled(row: Row, defaults: Mapping[str, object]) -> Row:
    own = row.model_dump(exclude_none=True)
    left = LOGIN if LOGIN & own.keys() else set()  # one way to log in: the row's own
    given = {name: one for name, one in defaults.items() if one is not None and name not in left}
    return Row.model_validate({**given, **own})


def _known(row: Row, host: FleetHost) -> Newcomer:
    """A host of the inventory: its admin and key are what the inventory says."""
    return Newcomer(
        name=row.name,
        address=row.address,
        user=row.user or host.data["ssh_user"],
        port=host.data["ssh_port"],
        admin=host.data["ssh_user"],
        admin_key=host.data.get("ssh_key"),
        host_key=row.host_key,
    )


def _new(row: Row, inventory: Path, groups: Sequence[OpenGroup]) -> Fresh:
    group = _group(row, inventory, groups)
    admin = row.admin or group.user or ADMIN
    problems = []
    known = _is_pinned(row, group)
    if row.user is None and not known:
        fix = "--user NAME, or user in the hosts file"
        problems.append(Problem(row.name, "Login", "no user", "the account of the login", fix))
    key = _absolute(row.admin_key) or group.key or _absolute(row.key) or _default_key()
    user = row.user or admin
    newcomer = Newcomer(
        row.name, row.address, user, row.port or 22, admin, key, group.name, row.host_key
    )
    problems += admin_problems(newcomer)
    if problems:
        raise ProblemsError("It can't join.", problems)
    entry = Entry(
        address=row.address,
        port=row.port or 22,
        user=admin if admin != group.user else None,
        key=key if key != group.key else None,
        first_login=user if user != admin else None,
    )
    return newcomer, group, entry, known


def _is_pinned(row: Row, group: OpenGroup) -> bool:
    try:
        return bool(pinned(group.known_hosts, *_wanted(row)))
    except HostError as error:
        raise ProblemsError("It can't join.", [error.problem]) from None


def _group(row: Row, inventory: Path, groups: Sequence[OpenGroup]) -> OpenGroup:
    names = {group.name: group for group in groups}
    if row.group in names:
        return names[row.group]
    if row.group is None and len(names) == 1:
        return groups[0]
    line = f'gpu = hosts_of(__file__, "{row.group or "gpu"}", user="{ADMIN}")'
    found = f"no group {row.group}" if row.group else f"{len(names) or 'no'} groups to choose from"
    problem = Problem(
        row.name,
        "Group",
        f"{found} in {shown(inventory)}",
        f"one of {', '.join(names)}" if names else f"a group that takes hosts, as {line}",
        "--group NAME" if names else f"add that line to {shown(inventory)}",
    )
    raise ProblemsError("It can't join.", [problem])


def _absolute(key: str | None) -> str | None:
    """A path that means the same wherever a command is run."""
    return key if key is None or key.startswith("~") else str(Path(key).resolve())


def _default_key() -> str | None:
    folder = Path("~/.ssh")
    found = (str(folder / name) for name in _KEYS if (folder / name).expanduser().is_file())
    return next(found, None)


def _twice(rows: Sequence[Row]) -> list[Problem]:
    problems = []
    names: dict[str, int] = {}
    places: dict[tuple[str, int], str] = {}
    for row in rows:
        names[row.name] = names.get(row.name, 0) + 1
        if names[row.name] == 2:
            fix = "rename one, or remove it"
            problems.append(Problem(row.name, "Name", "asked for twice", "each host once", fix))
        other = places.setdefault(_wanted(row), row.name)
        if other != row.name:
            found = f"{row.address} port {row.port or 22}, asked for as {other} too"
            needed, fix = "an address of its own", "correct one of them"
            problems.append(Problem(row.name, "Address", found, needed, fix))
    return problems


def _another(row: Row, host: FleetHost, inventory: Path) -> list[Problem]:
    """What of a host that the inventory has is not what was asked for."""
    data = host.data
    pairs = [
        ("Address", row.address, data["ssh_hostname"], "--address"),
        ("Port", row.port, data["ssh_port"], "--port"),
        ("Admin", row.admin, data["ssh_user"], "--admin"),
    ]
    return [
        Problem(
            row.name,
            f"{what} of {row.name}",
            f"{asked} asked for, and {there} in {shown(inventory)}",
            "a name that is not taken, or the same machine",
            f"choose another --name, correct {option}, or: "
            f"torchrack offboard {shown(inventory)} {row.name}",
        )
        for what, asked, there, option in pairs
        if asked is not None and asked != there
    ]


def _taken(row: Row, other: str, inventory: Path) -> Problem:
    return Problem(
        row.name,
        f"Address of {row.name}",
        f"{row.address} port {row.port or 22}, which is {other}'s in {shown(inventory)}",
        "an address of its own",
        f"correct --address, onboard it as {other}, or: "
        f"torchrack offboard {shown(inventory)} {other}",
    )


def _wanted(row: Row) -> tuple[str, int]:
    return canonical(row.address), row.port or 22


def _place(host: FleetHost) -> tuple[str, int]:
    return canonical(host.data["ssh_hostname"]), host.data["ssh_port"]
