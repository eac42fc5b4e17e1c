"""The lab's registry as its hosts see it: TLS, a pull-only account, nothing can be pushed.

Pushes go through a second, short-lived listener on the loopback address (push.py): docker-registry
has no rights per account, and a read-only listener cannot be talked into a push.
"""

from pathlib import Path

from lab.registry import accounts, daemon

PULL_USER = "puller"
PORT = 5000


def storage(lab_dir: Path) -> Path:
    """Return the directory with the registry's content."""
    return lab_dir / "registry" / "storage"


def pull_password_file(lab_dir: Path) -> Path:
    """Return the file (0600) with the password of PULL_USER; `start` makes it."""
    return lab_dir / "secrets" / "pull_password"


def start(lab_dir: Path, address: str, port: int = PORT, *, cert: Path, key: Path) -> int:
    """Start the registry in a session of its own; return its pid once it listens.

    It logs to `lab_dir`/registry/registry.log. What is pushed or provided later is served at once.
    The password stays the same over starts.

    Parameters:
        cert: certificate for `address`, with the authority's after it; PEM.

    Raises:
        LabError: it did not start; with the end of its log.
    """
    home = lab_dir / "registry"
    storage(lab_dir).mkdir(parents=True, exist_ok=True)
    htpasswd = home / "htpasswd"
    accounts.write_htpasswd(htpasswd, PULL_USER, accounts.password(pull_password_file(lab_dir)))
    config = daemon.configuration(
        storage(lab_dir), f"{address}:{port}", htpasswd, read_only=True, tls=(cert, key)
    )
    return daemon.start(config, home / "config.yml", home / "registry.log", outlive=True).pid
