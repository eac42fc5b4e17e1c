"""Write a proposal down: certificates, settings, pin, and the entry of the hosts file last."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from paramiko import PKey

from torchrack import atomic, hosts_file
from torchrack.adopt.candidate import Place
from torchrack.errors import Problem, ProblemsError
from torchrack.fleet_folder import group_data_of
from torchrack.hosts_file import Entry
from torchrack.lock.file import shown
from torchrack.onboard import pins


def in_the_way(place: Place, files: Mapping[str, str]) -> list[Problem]:
    """Return what a proposal would overwrite; it overwrites nothing.

    Args:
        place: where it would be written.
        files: name to text of certificates.
    """
    group = place.group.name
    folders = {*group_data_of(place.inventory), place.settings_file.parent}
    there = [path for path in sorted({f / f"{group}.py" for f in folders}) if path.exists()]
    own = f"{place.name.replace('-', '_')} = hosts_of(__file__, ...)"
    problems = [
        Problem(
            place.name,
            "Settings file",
            f"{shown(path)} is there already",
            f"a group {group} without a file of settings",
            "merge by hand what is shown, and run without --write; or give servers in use a group "
            f"of their own in {shown(place.inventory)} ({own}) and name it with --group",
        )
        for path in there
    ]
    for name, text in files.items():
        path = place.certificate(name)
        if path.exists() and path.read_text(encoding="utf-8") != text:
            found, needed = f"{shown(path)} with another content", "no such file"
            problems.append(Problem(place.name, "Certificate", found, needed, "move it away"))
    return problems


def write(
    place: Place, entry: Entry, key: PKey, *, settings: str, files: Mapping[str, str]
) -> list[Path]:
    """Write everything; return the files, in the order in which they were written.

    Raises:
        ProblemsError: something would be overwritten, or name or address are taken; nothing was
            written.
        OSError: a file can't be written.
    """
    there = hosts_file.read(place.group.hosts_file)
    problems = in_the_way(place, files)
    problems += hosts_file.clashes(place.group.hosts_file, there, place.name, entry)
    if problems:
        raise ProblemsError("Nothing was written.", problems)
    written = []
    for name, text in files.items():
        atomic.write(place.certificate(name), text)
        written.append(place.certificate(name))
    atomic.write(place.settings_file, settings)
    pins.pin(place.group.known_hosts, entry.address, entry.port, key)
    hosts_file.add(place.group.hosts_file, place.group.name, place.name, entry)
    return [*written, place.settings_file, place.group.known_hosts, place.group.hosts_file]
