"""Cloud-init user data: what it says of the way in, and how it comes onto a server's disk.

The server runs the distribution's own cloud-init, which finds the user data as its NoCloud data
source finds a seed in the image: https://docs.cloud-init.io/en/latest/reference/datasources/nocloud.html
"""

from dataclasses import dataclass
from pathlib import Path

import yaml

from lab.errors import LabError

PACKAGE = "cloud-init"
HELD = "var/lib/lab-cloud-init-held"
"""While this file is there, the server's cloud-init does not come to its end."""

_CONFIGURATION = """\
# The network and the package sources are the lab's.
datasource_list: [NoCloud, None]
network: {config: disabled}
apt: {preserve_sources_list: true}
"""
_HOLD = f"""\
[Service]
ExecStartPre=/bin/sh -c 'while [ -e /{HELD} ]; do sleep 0.2; done'
"""


@dataclass(frozen=True)
class UserData:
    """What a file of user data says: the first account it names, its keys, the host key."""

    user: str
    authorized_keys: tuple[str, ...]
    host_key: str
    host_public_key: str


def read(path: Path) -> UserData:
    """Read a file of user data.

    Raises:
        LabError: it is no user data, or it leaves the account or the host key open.
    """
    try:
        text = path.read_text()
        data = yaml.safe_load(text)
    except (OSError, yaml.YAMLError) as error:
        raise LabError(f"{path}: no user data can be read: {error}") from error
    if not text.startswith("#cloud-config\n") or not isinstance(data, dict):
        raise LabError(f"{path}: user data starts with #cloud-config and holds a mapping")
    accounts = [entry for entry in data.get("users", []) if isinstance(entry, dict)]
    keys = data.get("ssh_keys", {})
    if not accounts or not {"ed25519_private", "ed25519_public"} <= set(keys):
        raise LabError(
            f"{path}: the lab has to know the way in beforehand: it wants an account with a name "
            "in users, and ed25519_private and ed25519_public in ssh_keys"
        )
    return UserData(
        user=accounts[0]["name"],
        authorized_keys=tuple(accounts[0].get("ssh_authorized_keys", ())),
        host_key=keys["ed25519_private"],
        host_public_key=" ".join(keys["ed25519_public"].split()[:2]),
    )


def seed(root: Path, name: str, user_data: Path, *, held: bool) -> None:
    """Put the user data onto the disk of the server `name`, whose cloud-init may be held."""
    folder = root / "var/lib/cloud/seed/nocloud"
    _write(folder / "user-data", user_data.read_text(), mode=0o600)
    _write(folder / "meta-data", f"instance-id: {name}\nlocal-hostname: {name}\n")
    _write(root / "etc/cloud/cloud.cfg.d/90_lab.cfg", _CONFIGURATION)
    if held:
        _write(root / "etc/systemd/system/cloud-final.service.d/lab.conf", _HOLD)
        _write(root / HELD, "")


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
