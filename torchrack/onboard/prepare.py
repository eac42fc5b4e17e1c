"""Prepare a server before it boots: a file for cloud-init or the installer, and its key pinned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from torchrack.errors import HostError, Problem
from torchrack.onboard import cloud_init, pins
from torchrack.onboard.cloud_init import HostKeyPair
from torchrack.onboard.model import Newcomer

Kind = Literal["cloud-init", "autoinstall"]
_TEXTS: dict[Kind, Callable[[Newcomer, str, HostKeyPair], str]] = {
    "cloud-init": cloud_init.user_data,
    "autoinstall": cloud_init.autoinstall,
}


def prepare(
    newcomer: Newcomer, public_key: str, *, kind: Kind, output: Path, known_hosts: Path
) -> str:
    """Make a host key for a server, write the file that gives it to the server, and pin the key.

    Args:
        newcomer: the server, which does not run yet.
        public_key: the key that its admin logs in with, as a .pub file has it.
        kind: user data for an image, or a configuration of Ubuntu's installer.
        output: the new file; nobody else can read it.
        known_hosts: the fleet's pins.

    Returns:
        The fingerprint of the host key, "SHA256:...".

    Raises:
        HostError: a key is pinned for its address already, the file is there already, or one of
            both can't be written; neither was.
    """
    if there := pins.pinned(known_hosts, newcomer.address, newcomer.port):
        raise HostError(
            Problem(
                newcomer.name,
                "Host key",
                f"{pins.fingerprint(there[0])} pinned for {newcomer.address} in {known_hosts}",
                "an address that nothing is pinned for: the server is to get a new key",
                f"if the server is to be set up anew, take its lines out of {known_hosts}",
            )
        )
    key = cloud_init.new_host_key()
    cloud_init.write(output, _TEXTS[kind](newcomer, public_key, key), newcomer)
    try:
        pins.pin(known_hosts, newcomer.address, newcomer.port, key.as_paramiko())
    except OSError as error:
        output.unlink()
        found, fix = f"{known_hosts}: {error.strerror}", "make it writable"
        problem = Problem(newcomer.name, "Host key", found, "a file to pin it in", fix)
        raise HostError(problem) from None
    return pins.fingerprint(key.as_paramiko())
