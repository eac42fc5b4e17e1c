"""An APT repository as we declare it: one deb822 source, one key, no second source beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torchrack.apt.openpgp import NotAKeyError, armour, keys
from torchrack.errors import HostError, Problem

SOURCES = "/etc/apt/sources.list.d"
KEYRINGS = "/etc/apt/keyrings"
MAIN = SOURCES.removesuffix(".d")
"""The distribution's own sources, which must not go."""


@dataclass(frozen=True)
class Repository:
    """A repository of a vendor.

    Args:
        name: short name; files are called ``torchrack-<name>`` after it.
        title: how people call it, for messages ("NVIDIA's driver repository").
        uri: its address.
        suite: the suite, or ``/`` for a flat repository.
        components: components; none for a flat repository.
        architecture: dpkg's name.
        key_url: where the vendor publishes its key.
        key_fingerprint: 40 upper-case hex digits; no other key is taken.
        conflicts: regular expression; another active source that matches it is a second source.
    """

    name: str
    title: str
    uri: str
    suite: str
    components: tuple[str, ...]
    architecture: str
    key_url: str
    key_fingerprint: str
    conflicts: str

    @property
    def source_path(self) -> str:
        """The deb822 file on the host."""
        return f"{SOURCES}/torchrack-{self.name}.sources"

    @property
    def key_path(self) -> str:
        """The keyring on the host that this source, and no other, trusts."""
        return f"{KEYRINGS}/torchrack-{self.name}.asc"

    def source(self) -> str:
        """Return the text of the deb822 file (sources.list(5))."""
        fields = {
            "Types": "deb",
            "URIs": self.uri,
            "Suites": self.suite,
            "Components": " ".join(self.components),
            "Architectures": self.architecture,
            "Signed-By": self.key_path,
        }
        head = f"# {self.title}; written by Torchrack, which replaces changes.\n"
        return head + "".join(f"{key}: {value}\n" for key, value in fields.items() if value)


def pinned_key(data: bytes, repository: Repository, *, host: str, origin: str) -> str:
    """Return the one key we trust out of a key file, armoured.

    Other keys in the file are left out, so that they are not trusted by the way.

    Args:
        data: content of the key file.
        repository: the repository that the key is for.
        host: the host's name, for messages.
        origin: where the data came from, for messages.

    Raises:
        HostError: it is no key, or not the key with the fingerprint.
    """
    try:
        found = keys(data)
    except NotAKeyError as error:
        raise _wrong_key(repository, host, f"{origin}: {error}") from None
    if repository.key_fingerprint not in found:
        raise _wrong_key(repository, host, f"{', '.join(found)} in {origin}")
    return armour(found[repository.key_fingerprint])


def holds_key(text: str, fingerprint: str) -> bool:
    """Whether a keyring's text is exactly what :func:`pinned_key` makes of this key."""
    try:
        found = keys(text.encode())
    except NotAKeyError:
        return False
    return list(found) == [fingerprint] and text == armour(found[fingerprint])


def second_sources(repository: Repository, lines: Iterable[str]) -> list[str]:
    """Return the paths of other source files that name the same repository.

    Args:
        repository: ours.
        lines: ``path:line`` for each line of all source files that is no comment.
    """
    wanted = re.compile(repository.conflicts, re.IGNORECASE)
    active: dict[str, bool] = {}
    found = []
    for path, _, line in (entry.partition(":") for entry in lines):
        if path == repository.source_path:
            continue
        if re.match(r"enabled:\s*(no|false|without|off|disable)\b", line, re.IGNORECASE):
            active[path] = False
        if wanted.search(line) and path not in found:
            found.append(path)
    return [path for path in found if active.get(path, True)]


def disabled(paths: Sequence[str]) -> str:
    """Return what takes source files out of apt's sight; it passes over names in .disabled.

    Args:
        paths: the files.
    """
    moves = [f"sudo mv {one} {one}.disabled" for one in paths if one != MAIN]
    lines = [f"comment its lines out in {MAIN}"] if MAIN in paths else []
    return " && ".join(moves) + (" and " if moves and lines else "") + "".join(lines)


def _wrong_key(repository: Repository, host: str, found: str) -> HostError:
    return HostError(
        Problem(
            where=host,
            what=f"Key of {repository.title}",
            found=found,
            needed=f"the key {repository.key_fingerprint}",
            fix="compare the fingerprint with the vendor's page, then correct key_file or "
            "key_fingerprint in the settings",
        )
    )
