"""The hosts of a fleet that commands write down: ``lab.hosts.yml`` for ``lab.py``.

A mapping of groups, each a mapping of names to connections, which people may edit as well::

    gpu:
      gpu07:
        address: 10.0.0.7
        user: torchrack   # left out: what the inventory says
        key: ~/.ssh/lab

Changes touch the lines of their host alone: comments, order and quotes stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from torchrack import atomic, yaml_lines
from torchrack.errors import Problem, ProblemsError
from torchrack.exclusive import exclusive
from torchrack.fleet_folder import beside
from torchrack.lock.file import shown
from torchrack.same_server import canonical

Hosts = dict[str, dict[str, "Entry"]]
"""Group to name to connection."""

NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
"""A host's name: --limit separates names by commas, and @ begins a connector of pyinfra's."""

_HEAD = """\
# Hosts of {inventory}: group, name, connection. Written by torchrack onboard; edit it as you like.
"""
_NEEDED = "group: {name: {address, user, port, key, agent, known_hosts}}"
_FIX = "correct it; docs/inventory.md has an example"


class Entry(BaseModel):
    """How a host is reached; what is None is what the inventory says for all.

    Args:
        address: host name or IP address to connect to.
        user: login with sudo.
        port: TCP port of sshd.
        key: path of the private key to log in with.
        agent: whether keys of the SSH agent may be used.
        known_hosts: where its host key is pinned.
        first_login: the account that it came with, which stays as it was; sshd lets it in no more.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    address: str = Field(pattern=r"^[A-Za-z0-9:][A-Za-z0-9._:%-]*$")
    user: str | None = Field(None, pattern=r"^[^\s:]+$")
    port: int = Field(22, ge=1, le=65535)
    key: str | None = Field(None, min_length=1)
    agent: bool | None = None
    known_hosts: str | None = Field(None, min_length=1)
    first_login: str | None = Field(None, pattern=r"^[^\s:]+$")


_proposed: dict[Path, Hosts] = {}


def path_of(inventory: str | Path) -> Path:
    """Return the hosts file of an inventory: beside it, with ``.hosts.yml``."""
    return beside(inventory, ".hosts.yml")


def read(path: Path) -> Hosts:
    """Return the hosts of a file, with those that are proposed; none where there is no file.

    Raises:
        ProblemsError: it is no hosts file, or two hosts have one name or one address; all that is
            wrong with it is told, with its lines.
    """
    _, hosts, problems = _read(path)
    for group, entries in _proposed.get(path.resolve(), {}).items():
        for name, entry in entries.items():
            if hosts.get(group, {}).get(name) != entry:
                problems += [*_misnamed(shown(path), name), *clashes(path, hosts, name, entry)]
                hosts.setdefault(group, {})[name] = entry
    _refuse(path, problems)
    return hosts


@contextmanager
def proposing(path: Path, group: str, name: str, entry: Entry) -> Iterator[None]:
    """While open, reading a hosts file in this process shows a host as if it stood in it.

    So all that a host would be and get can be found out before anything is written. Several may be
    open at the same time.

    Args:
        path: the hosts file, which need not exist.
        group: the group that the host is to join.
        name: its name.
        entry: its connection. A host that stands in the file just like that is no clash.
    """
    entries = _proposed.setdefault(path.resolve(), {}).setdefault(group, {})
    before = entries.get(name)
    entries[name] = entry
    try:
        yield
    finally:
        if before is None:
            del entries[name]
        else:
            entries[name] = before


def add(path: Path, group: str, name: str, entry: Entry, before: Collection[str] = ()) -> bool:
    """Write a host down; return whether the file changed, False where it is there like that.

    Args:
        path: the hosts file, made where it is missing.
        group: the group that it joins, made where it is missing.
        name: the host's name.
        entry: its connection.
        before: names of hosts that it stands in front of, where they are there already.

    Raises:
        ProblemsError: name or address are taken, or the file is wrong; it is as it was.
        OSError: the file can't be written; it is as it was.
    """
    with exclusive(path.parent):
        text, hosts, problems = _read(path)
        _refuse(path, problems)
        if hosts.get(group, {}).get(name) == entry:
            return False
        _refuse(path, [*_misnamed(shown(path), name), *clashes(path, hosts, name, entry)])
        text = text or _HEAD.format(inventory=path.name.removesuffix(".hosts.yml") + ".py")
        values = entry.model_dump(exclude_defaults=True)
        _write(path, lambda: yaml_lines.put(text, group, name, values, before))
    return True


def remove(path: Path, name: str) -> bool:
    """Take a host out; return whether it was there.

    Raises:
        ProblemsError: the file is wrong; it is as it was.
        OSError: the file can't be written; it is as it was.
    """
    with exclusive(path.parent):
        text, hosts, problems = _read(path)
        _refuse(path, problems)
        group = next((group for group, entries in hosts.items() if name in entries), None)
        if group is None:
            return False
        _write(path, lambda: yaml_lines.drop(text, group, name))
    return True


def clashes(where: Path | str, hosts: Hosts, name: str, entry: Entry) -> list[Problem]:
    """Return what keeps a host from joining others: its name or its address is taken.

    Args:
        where: the file, or what else the problems are told of.
        hosts: the others; one of the same name counts as another.
        name: its name.
        entry: its connection.
    """
    place = shown(where)
    problems = []
    for group, entries in hosts.items():
        for other, there in entries.items():
            if other == name:
                found = f"a host of that name in {group}, at {there.address}"
                fix = "choose another name, or take the other host out"
                problems.append(Problem(place, f"Name {name}", found, "a name of its own", fix))
            elif (canonical(there.address), there.port) == (canonical(entry.address), entry.port):
                found = f"{entry.address} port {entry.port}, which is {other}'s in {group}"
                needed, fix = "an address of its own", "correct it, or take the other host out"
                problems.append(Problem(place, f"Address of {name}", found, needed, fix))
    return problems


def _read(path: Path) -> tuple[str, Hosts, list[Problem]]:
    """Return a file's text, the hosts that could be read, and all that is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8")
        data = yaml_lines.load(text)
    except FileNotFoundError:
        return "", {}, []
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = str(error.problem).split("\n", maxsplit=1)[0]
        return "", {}, [Problem(f"{shown(path)}:{line}", "Hosts file", said, _NEEDED, _FIX)]
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        said = " ".join(str(error).split())
        return "", {}, [Problem(shown(path), "Hosts file", said, _NEEDED, _FIX)]
    if data is None:
        return text, {}, []
    if not isinstance(data, CommentedMap):
        found = f"{type(data).__name__.removeprefix('Commented').lower()} in it"
        return text, {}, [Problem(shown(path), "Hosts file", found, _NEEDED, _FIX)]
    return text, *_groups(path, data)


def _groups(path: Path, data: CommentedMap) -> tuple[Hosts, list[Problem]]:
    hosts: Hosts = {}
    problems: list[Problem] = []
    for group, entries in data.items():
        where = f"{shown(path)}:{data.lc.key(group)[0] + 1}"
        if not (isinstance(group, str) and group.isidentifier()) or group.startswith("_"):
            found = f"the name {group!r}"
            problems.append(Problem(where, "Group", found, "a name that Python could have", _FIX))
        elif entries is not None and not isinstance(entries, CommentedMap):
            problems.append(Problem(where, f"Group {group}", repr(entries), _NEEDED, _FIX))
        else:
            hosts[group] = {}
            problems += _group(path, hosts, group, entries or CommentedMap())
    return hosts, problems


def _group(path: Path, hosts: Hosts, group: str, entries: CommentedMap) -> Iterator[Problem]:
    """Add the hosts of a group; yield what is wrong with them."""
    for name, values in entries.items():
        line = entries.lc.key(name)[0]
        where = f"{shown(path)}:{line + 1}"
        yield from _misnamed(where, name)
        if not isinstance(values, CommentedMap):
            yield Problem(where, f"Host {name}", repr(values), _NEEDED, _FIX)
            continue
        try:
            entry = Entry.model_validate(
                {key: str(v) if isinstance(v, str) else v for key, v in values.items()}
            )
        except ValidationError as error:
            for one in error.errors():
                field = str(one["loc"][0]) if one["loc"] else ""
                at = values.lc.key(field)[0] if field in values else line
                found = repr(one["input"]) if field in values else "nothing"
                what = f"Host {name}: {field}"
                yield Problem(f"{shown(path)}:{at + 1}", what, found, one["msg"], _FIX)
            continue
        yield from clashes(where, hosts, name, entry)
        hosts[group][name] = entry


def _misnamed(where: str, name: object) -> list[Problem]:
    if isinstance(name, str) and re.fullmatch(NAME, name):
        return []
    needed = "letters, digits, dots, hyphens, underscores; quoted where it is a number"
    return [Problem(where, "Host name", repr(name), needed, "rename it")]


def _refuse(path: Path, problems: list[Problem]) -> None:
    if problems:
        count = f"{len(problems)} problem(s) in {shown(path)}; nothing was changed."
        raise ProblemsError(count, problems)


def _write(path: Path, change: Callable[[], str]) -> None:
    try:
        text = change()
    except yaml_lines.CommentsError as error:
        fix = "write the group's hosts on lines of their own, without braces"
        _refuse(path, [Problem(shown(path), "Hosts file", str(error), _NEEDED, fix)])
    else:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        atomic.write(path.resolve(), text, mode=mode)
