"""Start Debian's docker-registry with a configuration of ours."""

import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from lab import atomic
from lab.errors import LabError

_START_S = 15.0  # a loaded two-core machine needs about one second


def configuration(
    storage: Path,
    listen: str,
    htpasswd: Path,
    *,
    read_only: bool,
    tls: tuple[Path, Path] | None = None,
) -> dict[str, Any]:
    """Return docker-registry's settings.

    Parameters:
        listen: address and port.
        tls: certificate and key; without them it speaks plain HTTP.

    See https://distribution.github.io/distribution/about/configuration/
    """
    http: dict[str, Any] = {"addr": listen}
    if tls is not None:
        certificate, key = tls
        http["tls"] = {"certificate": str(certificate), "key": str(key), "minimumtls": "tls1.2"}
    maintenance = {"uploadpurging": {"enabled": False}, "readonly": {"enabled": read_only}}
    return {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "maintenance": maintenance},
        "http": http,
        "auth": {"htpasswd": {"realm": "torchrack-lab", "path": str(htpasswd)}},
    }


def start(
    config: dict[str, Any], config_file: Path, log: Path, *, outlive: bool
) -> subprocess.Popen[bytes]:
    """Start the registry in a session of its own; return once it listens.

    Parameters:
        outlive: whether it goes on when the thread that called this is gone.

    Raises:
        LabError: it is not installed, ended, or does not listen; with the end of its log.
    """
    atomic.write(config_file, yaml.safe_dump(config), mode=0o600)
    if shutil.which("docker-registry") is None:
        raise LabError("docker-registry: no such program; see lab/packages.txt")
    bound = [] if outlive else ["setpriv", "--pdeathsig", "TERM"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*bound, "docker-registry", "serve", str(config_file)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    address, _, port = config["http"]["addr"].rpartition(":")
    deadline = time.monotonic() + _START_S
    while not _accepts(address, int(port)):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise LabError(_failure(f"{address}:{port}", log))
        time.sleep(0.02)
    # Whoever already held the port answers too, while ours ends.
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=0.1)
        raise LabError(_failure(f"{address}:{port}", log))
    return process


def _accepts(address: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


def _failure(where: str, log: Path) -> str:
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
    hint = ""
    if "address already in use" in tail:
        hint = (
            "; `ss -ltnp` names the program on that port (Debian's own service is ended by "
            "`systemctl disable --now docker-registry`)"
        )
    return f"the registry does not serve {where}{hint}; its log, {log}, ends with:\n{tail}"
