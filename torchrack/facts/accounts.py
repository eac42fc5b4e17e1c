"""Facts about the accounts that deploy."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pyinfra.api.facts import FactBase

from torchrack.sections import sections

_COMMAND = """
echo "== group"; getent group -- {group} || true
for user in {users}; do
    entry=$(getent passwd -- "$user") || continue
    home=$(printf %s "$entry" | cut -d: -f6)
    echo "== account $user"
    echo "home $home"
    echo "gid $(printf %s "$entry" | cut -d: -f4)"
    echo "groups $(id -nG -- "$user")"
    for path in "$home" "$home/.ssh" "$home/.ssh/authorized_keys"; do
        [ ! -e "$path" ] || echo "mode $(stat -Lc '%a %U' -- "$path") $path"
    done
    echo "== keys $user"
    [ ! -f "$home/.ssh/authorized_keys" ] || cat -- "$home/.ssh/authorized_keys"
done
"""


@dataclass(frozen=True)
class Account:
    """An account.

    Args:
        home: its home directory.
        groups: names of its groups.
        modes: permission bits (octal) and owner of home, .ssh and authorized_keys, by path.
        keys: the lines of authorized_keys.
    """

    home: str
    groups: tuple[str, ...]
    modes: dict[str, tuple[int, str]]
    keys: tuple[str, ...]


@dataclass(frozen=True)
class AccountsState:
    """The accounts that exist among those asked for, and whether the group does."""

    group: bool
    accounts: dict[str, Account]


class Accounts(FactBase[AccountsState]):
    """Accounts with their groups, home permissions and public keys, in one round trip."""

    def command(self, group: str, users: list[str]) -> str:
        """Ask getent and look below the homes."""
        return _COMMAND.format(group=shlex.quote(group), users=" ".join(map(shlex.quote, users)))

    def process(self, output: list[str]) -> AccountsState:
        """Parse the sections."""
        parts = sections(output)
        return AccountsState(
            group=bool(parts.get("group")),
            accounts={
                name.removeprefix("account "): _account(
                    lines, parts.get(name.replace("account ", "keys ", 1), [])
                )
                for name, lines in parts.items()
                if name.startswith("account ")
            },
        )


def _account(lines: list[str], keys: list[str]) -> Account:
    values = dict(line.split(" ", 1) for line in lines if not line.startswith("mode "))
    modes = [line.split(" ", 3)[1:] for line in lines if line.startswith("mode ")]
    return Account(
        home=values["home"],
        groups=tuple(values["groups"].split()),
        modes={path: (int(mode, 8), owner) for mode, owner, path in modes},
        keys=tuple(keys),
    )
