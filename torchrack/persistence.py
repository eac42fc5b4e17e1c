"""nvidia-persistenced: how its packaged unit has to change so that persistence mode is on."""

from __future__ import annotations

import re

UNIT = "nvidia-persistenced.service"
DROP_IN = f"/etc/systemd/system/{UNIT}.d/torchrack.conf"


def drop_in(packaged: str) -> str:
    """Return the drop-in for a packaged unit.

    Ubuntu's unit says ``--no-persistence-mode``, stops when unneeded and is started by a udev rule
    alone; the program, its user and its other options differ between packages and stay.

    Args:
        packaged: text of the unit file that the package brings.

    Raises:
        ValueError: the unit has no ExecStart.
    """
    start = re.search(r"^ExecStart=(.+)$", packaged, re.MULTILINE)
    if not start:
        raise ValueError(f"{UNIT} has no ExecStart")
    command = [word for word in start[1].split() if word != "--no-persistence-mode"]
    if "--persistence-mode" not in command:
        command.insert(1, "--persistence-mode")
    return "\n".join(
        [
            "# Keeps the GPUs initialised; written by Torchrack, which replaces changes.",
            "[Unit]",
            "StopWhenUnneeded=no",
            "",
            "[Service]",
            "ExecStart=",
            f"ExecStart={' '.join(command)}",
            "Restart=on-failure",
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )
