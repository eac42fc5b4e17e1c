"""How a script becomes root on a host, and what is told when it can't."""

from __future__ import annotations

import re

from torchrack.errors import Problem

SCRIPT_TIMEOUT = 60
"""Seconds the script may take on the host; it takes about one."""

NO_ROOT = "==no-root"
"""The line that is printed, before sudo's own message, where the login can't become root."""


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
