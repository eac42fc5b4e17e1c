"""The account that the fleet deploys with: made where it is missing, and proven by a login."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paramiko import AuthenticationException

from torchrack.base.public_keys import key_of
from torchrack.errors import HostError, Problem
from torchrack.onboard import credentials
from torchrack.onboard.login import fleet_host
from torchrack.onboard.model import Newcomer
from torchrack.operations.accounts import ADD_KEYS
from torchrack.operations.files import read, render
from torchrack.remote import Session, connect, told, unknown
from torchrack.settings.model import Settings
from torchrack.ssh_client import SSHClient

WHAT = "The account that deploys"
SECONDS = 300
"""How long it may take: sudo may have to be installed, and apt be waited for."""

_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def admin_problems(newcomer: Newcomer) -> list[Problem]:
    """Return what is wrong with the admin that was asked for, before any host is touched."""
    found = []
    if newcomer.admin == "root" or not _NAME.fullmatch(newcomer.admin):
        found.append(
            Problem(
                newcomer.name,
                WHAT,
                repr(newcomer.admin),
                "another account than root, named with a-z, 0-9, _ and -",
                "give another --admin",
            )
        )
    try:
        admin_public_key(newcomer)
    except HostError as error:
        found.append(error.problem)
    return found


def admin_public_key(newcomer: Newcomer) -> str:
    """Return the public half of the admin's key, a line for authorized_keys.

    Raises:
        HostError: no key was given, its private half can't be used, or it has no public half.
    """
    if newcomer.admin_key is None:
        raise HostError(
            Problem(
                newcomer.name,
                WHAT,
                f"no key for {newcomer.admin}",
                "a key that every deploy logs in with",
                "give --admin-key FILE (ssh-keygen -t ed25519 makes one)",
            )
        )
    path = Path(newcomer.admin_key).expanduser()
    private = credentials.load(newcomer.name, path)
    public = credentials.public_key(newcomer.name, path)
    key = key_of(public)
    if key is None or key[1] != private.get_base64():
        raise HostError(
            Problem(
                newcomer.name,
                WHAT,
                f"{path}.pub, which is not the public half of {path}",
                "a pair that fits",
                f"make it anew: ssh-keygen -y -f {path} > {path}.pub",
            )
        )
    return public


def ensure_admin(
    session: Session,
    newcomer: Newcomer,
    public_key: str,
    *,
    group: str = "ssh-admins",
    dry: bool = False,
) -> list[str]:
    """Make the admin what it has to be; return what was done, in sentences (empty: nothing).

    A new account has no password. Keys that are there stay, and so does an account's password.

    Args:
        session: a session as root.
        newcomer: the server, with the admin's name.
        public_key: the line that its authorized_keys must hold.
        group: the group that a hardened sshd lets in (``settings.sshd.admin_group``).
        dry: only look, and return what would be done.

    Raises:
        HostError: it can't be done. What was done before is kept, and the next run goes on there.
    """
    answer = session.run(_script(newcomer.admin, public_key, group, dry=dry), seconds=SECONDS)
    lines = [line.split("\t") for line in answer.out]
    for line in lines:
        if line[0] == "failed":
            _, found, fix = line
            needed = f"an account {newcomer.admin} that logs in by key and runs sudo"
            raise HostError(Problem(newcomer.name, WHAT, found, needed, fix))
    if ["end"] not in lines:
        said = " ".join([*answer.out, *answer.err])[-200:]
        raise unknown(session.host, f"an answer that was cut off: {said}", "look at the host")
    return [line[1] for line in lines if line[0] == "did"]


@contextmanager
def login_as_admin(
    newcomer: Newcomer, known_hosts: Path, *, settings: Settings | None = None
) -> Iterator[Session]:
    """Log in anew as the admin, by its key alone and with the pinned host key, and run sudo.

    Args:
        newcomer: the server, with the admin and its key.
        known_hosts: the fleet's own known_hosts file.
        settings: the settings that the server is to have, for what runs in the session.

    Raises:
        HostError: the login was refused, or sudo asks for a password.
    """
    admin, key = newcomer.admin, newcomer.admin_key
    host = fleet_host(newcomer, admin, known_hosts, key=key, settings=settings)
    with told(host), SSHClient() as client:
        try:
            connect(client, host.data, allow_agent=False, key_filename=None)
        except AuthenticationException as error:
            found = f"a refused login as {admin} by the key {key}: {error}"
            raise HostError(
                Problem(
                    newcomer.name,
                    WHAT,
                    found,
                    "a login by that key alone",
                    "see the server's log, which names the reason (journalctl -u ssh)",
                )
            ) from None
        session = Session(client, host)
        session.run(":")
        yield session


def _script(admin: str, public_key: str, group: str, *, dry: bool) -> str:
    key = key_of(public_key)
    if key is None:
        raise ValueError(f"no public key: {public_key}")
    sudoers = render("base/sudoers.j2", users=[admin])
    head = {
        "admin": admin,
        "key": public_key,
        "blob": key[1],
        "group": group,
        "sudoers": sudoers,
        "line": sudoers.splitlines()[-1],
        "add_keys": ADD_KEYS.format(home='"$1"', user='"$2"'),
        "dry": "1" if dry else "0",
    }
    assignments = [f"{name}={shlex.quote(value)}" for name, value in head.items()]
    return "\n".join([*assignments, read("onboard/admin.sh")])
