"""Put images into a registry's storage, through a registry that takes pushes while it is needed."""

import secrets
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.command import run
from lab.registry import accounts, daemon, server
from lab.state import ImageRef

_PUSH_USER = "pusher"


@dataclass(frozen=True)
class Writer:
    """A registry on the loopback address that takes pushes, and how to log in to it."""

    address: str
    auth_file: Path

    def push(self, layout: Path, name: str) -> str:
        """Push an OCI layout as `name` (repository:tag) and return its manifest's digest."""
        digest_file = self.auth_file.with_name("digest")
        copy = ["skopeo", "copy", "--quiet", "--preserve-digests", "--dest-tls-verify=false"]
        files = [f"--authfile={self.auth_file}", f"--digestfile={digest_file}"]
        run([*copy, *files, f"oci:{layout}", f"docker://{self.address}/{name}"])
        return digest_file.read_text().strip()


@contextmanager
def writer(storage: Path) -> Iterator[Writer]:
    """Serve `storage` for pushes on a free port of 127.0.0.1, with a password made for this."""
    with tempfile.TemporaryDirectory(prefix="torchrack-registry-") as directory:
        home = Path(directory)
        password = secrets.token_urlsafe(24)
        accounts.write_htpasswd(home / "htpasswd", _PUSH_USER, password)
        address = f"127.0.0.1:{_free_port()}"
        config = daemon.configuration(storage, address, home / "htpasswd", read_only=False)
        process = daemon.start(config, home / "config.yml", home / "log", outlive=False)
        try:
            auth_file = home / "auth.json"
            login = ["skopeo", "login", "--tls-verify=false", f"--authfile={auth_file}"]
            run([*login, f"--username={_PUSH_USER}", "--password-stdin", address], stdin=password)
            yield Writer(address, auth_file)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def push(lab_dir: Path, address: str, layout: Path, name: str) -> ImageRef:
    """Push an OCI layout into a lab's registry, running or not.

    Parameters:
        address: the registry's address and port as hosts see it, for the reference.
        name: repository and tag, such as torchrack/tools:1.2.
    """
    with writer(server.storage(lab_dir)) as target:
        digest = target.push(layout, name)
    return ImageRef(reference=f"{address}/{name}", digest=digest)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
