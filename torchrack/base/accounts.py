"""The accounts that deploy: who must be able to log in, and which keys they are to have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torchrack.base.public_keys import key_of
from torchrack.errors import HostError, Problem


def administrators(host: str, deploy_user: str | None, login: str) -> tuple[str, ...]:
    """Return the accounts that must keep their access: the deploy user, and the login itself.

    Args:
        host: the host's name, for the message.
        deploy_user: the account from the settings, or None for the login.
        login: the account that the connection uses.

    Raises:
        HostError: one of them is root, for which the hardened sshd closes.
    """
    users = tuple(dict.fromkeys([deploy_user or login, login]))
    if "root" in users:
        raise HostError(
            Problem(
                where=host,
                what="The account that deploys",
                found="root",
                needed="an account with sudo: sshd will refuse root",
                fix="make one (adduser, usermod -aG sudo, authorized_keys) and name it as user= in "
                "the inventory",
            )
        )
    return users


def missing_keys(declared: Sequence[str], present: Iterable[str]) -> list[str]:
    """Return the declared public keys that no line of an authorized_keys file holds.

    Comments and options do not count: the same key with other options is the owner's decision.
    """
    there = {key for line in present if (key := key_of(line)) is not None}
    return [line for line in declared if key_of(line) not in there]
