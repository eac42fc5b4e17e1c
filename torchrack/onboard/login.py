"""The first login: one user, one credential, one try, and the way from there to root."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torchrack.connect import connection_data
from torchrack.errors import HostError
from torchrack.inventory import FleetHost
from torchrack.onboard.credentials import Given, Password
from torchrack.onboard.model import Newcomer
from torchrack.onboard.one_try import OneTry, password_change, problem
from torchrack.remote import Answer, Session, connect, told
from torchrack.root import Already, Passwordless, Root, WithPassword
from torchrack.settings.model import Settings, merge
from torchrack.ssh_client import SSHClient

_HELLO = "==torchrack-login"
_LOOK = f"""echo {_HELLO}
id -u
PATH=$PATH:/usr/sbin:/sbin
command -v sudo >/dev/null || {{ echo none; exit 0; }}
LC_ALL=C sudo -n true </dev/null 2>&1 && echo free || echo asks
"""
_TRY = "LC_ALL=C sudo -k -S -p '' true 2>&1; echo rc $?"
_NOISE = re.compile(r"unable to resolve host|^\s*$")


@contextmanager
def first_login(
    newcomer: Newcomer, given: Given, known_hosts: Path, *, settings: Settings | None = None
) -> Iterator[Session]:
    """Log in as the newcomer's user, and keep a connection whose scripts run as root.

    The host key has to be pinned. Root is had by being it, by sudo, or by sudo with the given
    password, which goes over standard input alone.

    Args:
        newcomer: the server and its login.
        given: the credential, and the password for sudo.
        known_hosts: the fleet's own known_hosts file.
        settings: the settings that the server is to have, for what runs in the session.

    Raises:
        HostError: the login was refused, or is of no use; the message says why.
    """
    host = fleet_host(newcomer, newcomer.user, known_hosts, key=None, settings=settings)
    one_try = OneTry(newcomer, given.credential)
    with told(host), SSHClient() as client:
        # An IdentityFile of ssh_config would be a second credential.
        connect(client, host.data, auth_strategy=one_try, pkey=None, key_filename=None)
        session = Session(client, host)
        session.root = _way_to_root(session, newcomer, given.sudo)
        yield session


def fleet_host(
    newcomer: Newcomer,
    user: str,
    known_hosts: Path,
    *,
    key: str | None,
    settings: Settings | None = None,
) -> FleetHost:
    """Return the newcomer as a host of a fleet, with the connection data of a login.

    Args:
        newcomer: the server.
        user: who logs in.
        known_hosts: the fleet's own known_hosts file.
        key: path of the private key that logs in, if it is one.
        settings: the settings that it is to have.
    """
    data = connection_data(
        address=newcomer.address,
        port=newcomer.port,
        user=user,
        known_hosts=str(known_hosts.expanduser()),
        key=str(Path(key).expanduser()) if key else None,
        agent=False,
    )
    return FleetHost(newcomer.name, data, settings or merge([]))


def _way_to_root(session: Session, newcomer: Newcomer, password: Password | None) -> Root:
    _, answer = session.as_login(_LOOK)
    if _HELLO not in answer.out:
        raise _no_shell(newcomer, answer)
    uid, *sudo = answer.out[answer.out.index(_HELLO) + 1 :]
    if uid == "0":
        return Already()
    if sudo[-1] == "free":
        return Passwordless()
    if sudo[-1] == "none":
        raise problem(
            newcomer,
            f"no sudo, and {newcomer.user} is not root",
            "a login that can become root",
            f"as root at the console: apt-get install sudo && usermod -aG sudo {newcomer.user}; "
            "or log in as root (--user root)",
        )
    said = _said(sudo[:-1])
    if not re.search("password is required|authentication is required|terminal is req", said):
        raise _sudo_refuses(newcomer, said)
    if password is None:
        raise problem(
            newcomer,
            f"a sudo that asks {newcomer.user} for a password",
            "that password, or a sudo that asks for none",
            "give --ask-password, --password-file FILE or --password-env NAME beside the key",
        )
    _, answer = session.as_login(_TRY, f"{password.value}\n")
    if answer.out[-1:] == ["rc 0"]:
        return WithPassword(password.value)
    raise _sudo_refuses(newcomer, _said(answer.out[:-1]))


def _no_shell(newcomer: Newcomer, answer: Answer) -> HostError:
    """The login has no shell that runs commands, or the account is not to be used yet."""
    said = " ".join([*answer.out, *answer.err])
    if re.search("password has expired|Password change required", said, re.IGNORECASE):
        return password_change(newcomer)
    shown = f": it says {said[:200]!r}" if said else ""
    return problem(
        newcomer,
        f"a login shell of {newcomer.user} that runs no commands{shown}",
        "an account with an ordinary shell (sh, bash), no ForceCommand and no menu",
        f"as root at the console: usermod -s /bin/bash {newcomer.user} (see also "
        "ForceCommand in sshd_config and command= in authorized_keys); or give another --user",
    )


def _sudo_refuses(newcomer: Newcomer, said: str) -> HostError:
    user = newcomer.user
    if re.search("must have a tty", said):
        found, fix = (
            f"a sudo that wants a terminal of {user}",
            f"as root: echo 'Defaults:{user} !requiretty' > /etc/sudoers.d/10-{user}-notty",
        )
    elif re.search("not in the sudoers|not allowed|may not run|afraid I can't", said):
        found, fix = (
            f"an account {user} that sudo refuses: {said!r}",
            f"as root at the console: usermod -aG sudo {user}; or give another --user",
        )
    elif re.search("try again|incorrect|no password was provided|[Aa]uthentication fail", said):
        found, fix = (
            "a password that sudo refuses; it was tried once",
            f"give the password of {user} (not that of root)",
        )
    else:
        found, fix = f"a sudo that failed: {said or 'without a word'}", "see it on the server"
    return problem(newcomer, found, f"a sudo that makes {user} root", fix)


def _said(lines: list[str]) -> str:
    """What sudo said, without its lecture (which ends with rule 3) and its usual warnings."""
    ends = [number for number, line in enumerate(lines) if line.strip().startswith("#3)")]
    rest = lines[ends[-1] + 1 :] if ends else lines
    return " ".join(line.strip() for line in rest if not _NOISE.search(line))[:300]
