"""The account that the fleet deploys with: made where it is missing, and proven by a login."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torchrack.errors import Problem
from torchrack.onboard.model import Newcomer
from torchrack.remote import Session
from torchrack.settings.model import Settings


def admin_problems(newcomer: Newcomer) -> list[Problem]:
    """Return what is wrong with the admin that was asked for, before any host is touched."""
    raise NotImplementedError


def admin_public_key(newcomer: Newcomer) -> str:
    """Return the public half of the admin's key, a line for authorized_keys.

    Raises:
        HostError: there is none.
    """
    raise NotImplementedError


def ensure_admin(
    session: Session,
    newcomer: Newcomer,
    public_key: str,
    *,
    group: str = "ssh-admins",
    dry: bool = False,
) -> list[str]:
    """Make the admin what it has to be; return what was done, in sentences (empty: nothing).

    Args:
        session: a session as root.
        newcomer: the server, with the admin's name.
        public_key: the line that its authorized_keys must hold; others stay.
        group: the group that a hardened sshd lets in (settings.sshd.admin_group).
        dry: only look; return what would be done.

    Raises:
        HostError: it can't be done; the account is left as it was found where that is possible.
    """
    raise NotImplementedError


@contextmanager
def login_as_admin(
    newcomer: Newcomer, known_hosts: Path, *, settings: Settings | None = None
) -> Iterator[Session]:
    """Log in anew as the admin, by its key alone and with the pinned host key, and run sudo.

    Raises:
        HostError: the login was refused, or sudo asks for a password.
    """
    raise NotImplementedError
    yield
