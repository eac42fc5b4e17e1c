"""How a script becomes root on a host, and what is told when it can't."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol

from torchrack.errors import Problem

SCRIPT_TIMEOUT = 60
"""Seconds the script may take on the host; it takes about one."""

NO_ROOT = "==no-root"
"""The line that is printed, before sudo's own message, where the login can't become root."""

_BEGIN = "==torchrack-begin"


def as_root(seconds: int) -> str:
    """Return the command of root that reads a script from standard input and runs it.

    The script is read whole before it runs: nothing of it stands in a process list, and no command
    in it can eat the rest.

    Args:
        seconds: how long the script may take.
    """
    return f"timeout -k 5 {seconds} sh -c 'eval \"$(cat)\" </dev/null'"


def passwordless(seconds: int) -> str:
    """Return the same command for a login whose sudo asks for no password."""
    return (
        f'said=$(sudo -n true 2>&1) || {{ echo {NO_ROOT}; echo "$said"; exit 0; }}; '
        f"sudo -n -H {as_root(seconds)}"
    )


class Root(Protocol):
    """A way to become root: what to run as the login, and what to write to its input."""

    def command(self, seconds: int) -> str:
        """Return the login's command, for sh; the script may take so many seconds."""

    def input(self, text: str) -> str:
        """Return what is written to the command's standard input for a script."""


@dataclass(frozen=True)
class Passwordless:
    """The login's sudo asks for no password."""

    def command(self, seconds: int) -> str:
        """Run sudo, or say why it would ask."""
        return passwordless(seconds)

    def input(self, text: str) -> str:
        """The script alone."""
        return text


@dataclass(frozen=True)
class Already:
    """The login is root."""

    def command(self, seconds: int) -> str:
        """No sudo, which a bare server may lack."""
        return as_root(seconds)

    def input(self, text: str) -> str:
        """The script alone."""
        return text


@dataclass(frozen=True)
class WithPassword:
    """The login's sudo asks for a password, which has been proven to be right."""

    password: str = field(repr=False)

    def command(self, seconds: int) -> str:
        """Run sudo, which reads the first line of the input; -k makes sure that it does.

        Were it not to ask, by a rule of its own for this command, the line would reach the script:
        so root's shell drops what stands before the script.
        """
        skip = f'while IFS= read -r line && [ "$line" != {_BEGIN} ]; do :; done; '
        return "LC_ALL=C sudo -k -S -p '' -H " + as_root(seconds).replace("'eval", f"'{skip}eval")

    def input(self, text: str) -> str:
        """The password, and the script after a line that tells them apart."""
        return f"{self.password}\n{_BEGIN}\n{text}"


def no_root(host: str, user: str, lines: list[str]) -> Problem:
    """Say why the login can't become root.

    Args:
        host: the host's name.
        user: the login.
        lines: the output, with the line :data:`NO_ROOT` in it.
    """
    said = " ".join(lines[lines.index(NO_ROOT) + 1 :]).strip() or "sudo failed without a word"
    missing = re.search(r"not found|No such file", said)
    fix = (
        "install the package sudo (as root, at the console)"
        if missing
        else f"as root: echo '{user} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/{user}, mode 0440"
    )
    return Problem(host, "Root through sudo", said, f"sudo without a password for {user}", fix)
