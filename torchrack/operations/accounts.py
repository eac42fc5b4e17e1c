"""The accounts that deploy: group, keys, and permissions that sshd accepts.

pyinfra's server.user and user_authorized_keys take nine round trips and touch more than is asked.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.base.accounts import missing_keys
from torchrack.difference import differs
from torchrack.errors import HostError, Problem
from torchrack.facts.accounts import Account, Accounts
from torchrack.facts.gather import gather
from torchrack.operations.guard import Commands, operation

ADD_KEYS = """home={home}; user={user}
[ -d "$home/.ssh" ] || install -d -m 0700 -o "$user" -g "$(id -gn -- "$user")" -- "$home/.ssh"
keys=$(readlink -f -- "$home/.ssh/authorized_keys")
tmp=$(mktemp -- "$(dirname -- "$keys")/.authorized_keys.XXXXXX")
if [ -e "$keys" ]; then
    cat -- "$keys" > "$tmp"
    [ -z "$(tail -c 1 -- "$tmp")" ] || echo >> "$tmp"
fi
cat >> "$tmp"
chmod 0600 -- "$tmp"
chown "$user:$(id -gn -- "$user")" -- "$tmp"
mv -fT -- "$tmp" "$keys"
"""
"""Adds lines of standard input to the authorized_keys of a user; home and user are shell words."""


@operation
def administrators(*, users: Sequence[str], group: str, keys: Sequence[str] = ()) -> Commands:
    """Make accounts members of the group that may log in, with permissions that sshd accepts.

    Args:
        users: existing accounts; the first is the deploy user.
        group: the group; it is made where it is missing.
        keys: public keys that the deploy user's authorized_keys must hold; others stay.
    """
    now = gather(Accounts, group=group, users=list(users))
    steps = [] if now.group else [f"groupadd --system -- {shlex.quote(group)}"]
    if not now.group:
        differs(f"group:{group}", "exists", expected="the group", actual="no such group")
    for user in users:
        account = now.accounts.get(user)
        if account is None:
            raise HostError(
                Problem(
                    where=host.name,
                    what="The deploy user",
                    found=f"no account {user}",
                    needed="an account with sudo",
                    fix=f"make it (adduser {user}; usermod -aG sudo {user}) or correct "
                    "base.deploy_user",
                )
            )
        if group not in account.groups:
            steps.append(f"usermod -aG {shlex.quote(group)} -- {shlex.quote(user)}")
            differs(f"account:{user}", "groups", expected=group, actual=", ".join(account.groups))
        steps += _mend_modes(user, account)
    deploy_user = users[0]
    account = now.accounts[deploy_user]
    missing = missing_keys(keys, account.keys)
    if missing:
        differs(
            f"account:{deploy_user}",
            "authorized_keys",
            expected=f"{len(keys)} declared key(s)",
            actual=f"{len(missing)} of them missing",
        )
        steps.append(ADD_KEYS.format(home=shlex.quote(account.home), user=shlex.quote(deploy_user)))
    if not steps:
        host.noop(f"{', '.join(users)} may log in")
        return
    yield StringCommand(
        "set -eu\numask 077\nPATH=$PATH:/usr/sbin\n" + "\n".join(steps), _stdin=missing
    )


def _mend_modes(user: str, account: Account) -> list[str]:
    """Take rights away that make sshd's StrictModes refuse the keys; give none."""
    steps = []
    for path, (mode, owner) in account.modes.items():
        if owner not in (user, "root"):
            steps.append(f"chown -- {shlex.quote(user)} {shlex.quote(path)}")
            differs(f"file:{path}", "owner", expected=user, actual=owner)
        if path != account.home and mode & 0o077:
            steps.append(f"chmod go= -- {shlex.quote(path)}")
            differs(f"file:{path}", "mode", expected="nothing for others", actual=f"{mode:o}")
        elif mode & 0o022:
            steps.append(f"chmod go-w -- {shlex.quote(path)}")
            differs(f"file:{path}", "mode", expected="no writing by others", actual=f"{mode:o}")
    return steps
