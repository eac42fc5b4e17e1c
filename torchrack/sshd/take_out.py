"""The command that takes lines out of sshd's configuration, for a person to run on the host."""

from __future__ import annotations

import shlex
from collections.abc import Iterable


def take_out(places: Iterable[str]) -> str:
    """Return the command that comments lines out, and lets sshd read its configuration anew.

    Args:
        places: the lines, as ``file:number:text``.

    Returns:
        The command; it begins with sudo, and is empty where there are no lines.
    """
    edits: dict[str, list[str]] = {}
    for place in places:
        file, number, *_ = place.split(":", 2)
        edits.setdefault(file, []).append(f"{number}s/^/#/")
    commands = [
        f"sudo sed -i '{';'.join(lines)}' {shlex.quote(file)}" for file, lines in edits.items()
    ]
    # Not a reload, which a server dies of that has its socket from systemd. Sessions live on.
    again = ["sudo sshd -t", "sudo systemctl try-restart ssh"]
    return " && ".join([*commands, *again]) if edits else ""
