"""The registry's accounts: a password in a file of its own, its hash in an htpasswd file."""

import secrets
from pathlib import Path

import bcrypt

from lab import atomic


def password(path: Path) -> str:
    """Return the password in `path`; at the first call a random one is made (mode 0600)."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        atomic.write(path, secrets.token_urlsafe(24) + "\n", mode=0o600)
    return path.read_text().strip()


def write_htpasswd(path: Path, user: str, secret: str) -> None:
    """Write an htpasswd file with one account; docker-registry reads bcrypt alone.

    See https://distribution.github.io/distribution/about/configuration/#htpasswd
    """
    # The password has 192 random bits: more rounds would only slow every request down.
    hashed = bcrypt.hashpw(secret.encode(), bcrypt.gensalt(rounds=4)).decode()
    atomic.write(path, f"{user}:{hashed}\n", mode=0o600)
