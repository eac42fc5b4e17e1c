"""How providers let their customers in: kinds of first login, and how an account of one is made."""

import shlex
from dataclasses import dataclass
from typing import Literal

from lab.errors import LabError


@dataclass(frozen=True)
class Kind:
    """A kind of first login.

    `credential` is what opens it. `sudo` asks for nothing, for the account's password, refuses the
    account, or is not installed on the server. `expired` is a password that has to be changed at
    the next login, `closed` an account past its end date. An account `root` needs no sudo.
    """

    says: str
    credential: Literal["key", "password"] = "key"
    sudo: Literal["free", "asks", "refuses", "missing"] = "free"
    login_shell: str = "/bin/bash"
    expired: bool = False
    closed: bool = False
    root: bool = False


KINDS = {
    "key": Kind("a key; sudo asks for nothing"),
    "password": Kind("a password, which sudo asks for too", "password", "asks"),
    "key-asks": Kind("a key; sudo asks for a password", sudo="asks"),
    "root": Kind("root's key", root=True),
    "expired": Kind("a password to be changed at once", "password", "asks", expired=True),
    "closed": Kind("a password of an account that has ended", "password", "asks", closed=True),
    "no-sudo": Kind("a password of an account that may not use sudo", "password", "refuses"),
    "sudo-missing": Kind("a key, on a server without sudo", sudo="missing"),
    "nologin": Kind("a key; the shell is nologin", login_shell="/usr/sbin/nologin"),
    "rbash": Kind("a key; the shell is rbash", login_shell="/bin/rbash"),
}


def find(name: str) -> Kind:
    """Return the kind of login called `name`, or say which there are."""
    try:
        return KINDS[name]
    except KeyError:
        raise LabError(f"no kind of login {name!r}; the lab has {', '.join(KINDS)}") from None


def has_password(kind: Kind) -> bool:
    """Return whether accounts of this kind have a password that someone has to know."""
    return kind.credential == "password" or kind.sudo == "asks"


def script(kind: Kind, user: str, public_key: str) -> str:
    """Return the shell script that makes the account on a server; one that is there is mended.

    Its standard input is `USER:PASSWORD`, or empty for an account without a password.
    """
    lines = ["set -e", "export PATH=/usr/sbin:/usr/bin:/sbin:/bin", "secret=$(cat)"]
    if not kind.root:
        groups = "adm,sudo" if kind.sudo in ("free", "asks") else "adm"
        make = f"useradd --create-home --shell {kind.login_shell} --groups {groups} {user}"
        lines += [f"id {user} >/dev/null 2>&1 || {make}"]
    lines += ['[ -z "$secret" ] || printf "%s\\n" "$secret" | chpasswd']
    if kind.credential == "key":
        lines += [
            f"home=~{user}",
            f"install -d -m 700 -o {user} -g {user} $home/.ssh",
            f"install -m 600 -o {user} -g {user} /dev/null $home/.ssh/authorized_keys",
            f"echo {shlex.quote(public_key)} > $home/.ssh/authorized_keys",
        ]
    if kind.sudo == "free" and not kind.root:
        # As cloud-init names it, for the first account; later ones stand beside it.
        lines += [
            "umask 227",
            "file=/etc/sudoers.d/90-cloud-init-users",
            f"rule='{user} ALL=(ALL) NOPASSWD:ALL'",
            'grep -qsxF "$rule" $file || echo "$rule" >> $file',
        ]
    if kind.sudo == "missing":
        lines += ["SUDO_FORCE_REMOVE=yes dpkg --purge sudo >/dev/null"]
    if kind.expired:
        lines += [f"chage --lastday 0 {user}"]
    if kind.closed:
        lines += [f"chage --expiredate 2020-01-01 {user}"]
    return "\n".join(lines) + "\n"
