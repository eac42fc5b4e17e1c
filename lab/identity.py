"""What stays with a server when its disk is made anew: host keys and passwords."""

import base64
import hashlib
import secrets
from pathlib import Path

from lab import atomic
from lab.command import run
from lab.state import Lab

_TYPES = ("ed25519", "ecdsa", "rsa")


def ensure_host_keys(folder: Path, name: str) -> list[Path]:
    """Return the private SSH host keys in `folder`, made if missing, one of each usual type."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = [folder / f"ssh_host_{kind}_key" for kind in _TYPES]
    for kind, key in zip(_TYPES, keys, strict=True):
        if not key.with_suffix(".pub").exists():
            key.unlink(missing_ok=True)
            run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", f"root@{name}", "-f", key])
    return keys


def take_host_key(folder: Path, private: str, public: str) -> None:
    """Make the ed25519 key whose two halves are given the only host key in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "ssh_host_ed25519_key"
    atomic.write(key, private, mode=0o600)
    atomic.write(key.with_suffix(".pub"), f"{public}\n")


def host_key(folder: Path) -> str:
    """Return the ed25519 host key in `folder` as `ssh-ed25519 AAAA...`."""
    return " ".join((folder / "ssh_host_ed25519_key.pub").read_text().split()[:2])


def fingerprint(public_key: str) -> str:
    """Return the SHA256 fingerprint of `TYPE BASE64`, as ssh-keygen -l writes it."""
    digest = hashlib.sha256(base64.b64decode(public_key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def ensure_login_key(lab: Lab) -> str:
    """Return the public half of the key that opens the lab's servers, made if missing."""
    public = lab.ssh_key.with_suffix(".pub")
    if not public.exists():
        lab.ssh_key.parent.mkdir(parents=True, exist_ok=True)
        lab.ssh_key.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", lab.ssh_key])
    return public.read_text().strip()


def ensure_password(lab: Lab, name: str, user: str = "") -> Path:
    """Return the file with the password of a login on the server `name`, made if missing.

    Without a `user` it is the login that the provider hands over.
    """
    path = lab.secrets / "_".join(filter(None, (name, user, "password")))
    if not path.exists():
        lab.secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
        lab.secrets.chmod(0o700)
        atomic.write(path, secrets.token_urlsafe(18), mode=0o600)
    return path


def keep_password(lab: Lab, name: str, password: str) -> Path:
    """Write the password of the login that the server `name` is handed over with."""
    path = ensure_password(lab, name)
    atomic.write(path, password, mode=0o600)
    return path


def forget_passwords(lab: Lab, name: str) -> None:
    """Remove the passwords of all logins on the server `name`."""
    for path in lab.secrets.glob(f"{name}_*password"):
        path.unlink()


def write_own_known_hosts(lab: Lab) -> None:
    """Write the host keys of all servers, as they are now, for the lab itself."""
    lab.own_known_hosts.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(lab.own_known_hosts, "".join(_pins(lab, list(lab.hosts))))


def write_known_hosts(lab: Lab) -> None:
    """Write the host keys of all servers for the lab itself, and the pins of its fleet.

    Newcomers are for others to pin, in a file of their own.
    """
    write_own_known_hosts(lab)
    fleet = [name for name, host in lab.hosts.items() if not host.newcomer]
    atomic.write(lab.known_hosts, "".join(_pins(lab, fleet)))


def _pins(lab: Lab, names: list[str]) -> list[str]:
    return [
        f"{lab.hosts[name].address},{name} {' '.join(public.read_text().split()[:2])}\n"
        for name in sorted(names)
        for public in sorted((lab.machine_dir(name) / "identity").glob("*.pub"))
    ]
