"""An ssh_config made from an inventory, so that every check shares one connection a host."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torchrack.inventory import FleetHost


def write_ssh_config(hosts: Iterable[FleetHost], folder: Path) -> Path:
    """Write an ssh_config with one multiplexed, strictly checked connection a host.

    Args:
        hosts: the hosts of an inventory.
        folder: where the config and the control sockets go; short, a socket's path is limited.
    """
    path = folder / "ssh_config"
    path.write_text("".join(_entry(host, folder) for host in hosts))
    return path


def _entry(host: FleetHost, folder: Path) -> str:
    data = host.data
    lines = {
        "HostName": data["ssh_hostname"],
        "Port": data["ssh_port"],
        "User": data["ssh_user"],
        "UserKnownHostsFile": data["ssh_known_hosts_file"],
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": 5,
        "ControlMaster": "auto",
        "ControlPath": folder / "%C",
        "ControlPersist": 60,
        "LogLevel": "ERROR",
    }
    if key := data.get("ssh_key"):
        lines |= {"IdentityFile": key, "IdentitiesOnly": "yes", "IdentityAgent": "none"}
    return "\n    ".join([f"Host {host.name}", *(f"{k} {v}" for k, v in lines.items())]) + "\n"
