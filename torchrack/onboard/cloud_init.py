"""What a machine is told before its first boot, so that its first login is by key and no surprise.

Keys as in cloud-init's reference (https://cloudinit.readthedocs.io, modules Users and Groups, SSH,
Set Passwords, Set Hostname) and in Ubuntu's autoinstall reference
(https://canonical-subiquity.readthedocs-hosted.com). A host key that is given in ``ssh_keys`` is
the only one that the machine gets.
"""

from __future__ import annotations

import base64
import io
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from paramiko import Ed25519Key

from torchrack import atomic
from torchrack.errors import HostError, Problem
from torchrack.onboard.model import Newcomer

_HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?", re.IGNORECASE)


@dataclass(frozen=True)
class HostKeyPair:
    """A host key that was made here, for a machine that does not run yet.

    Args:
        private: in OpenSSH's form; never printed.
        public: as a .pub file has it: type and base64.
    """

    private: str = field(repr=False)
    public: str

    def as_paramiko(self) -> Ed25519Key:
        """Return the public key as one that can be pinned, without its private half."""
        return Ed25519Key(data=base64.b64decode(self.public.split()[1]))


def new_host_key() -> HostKeyPair:
    """Make an Ed25519 host key."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return HostKeyPair(private.decode(), public.decode())


def user_data(newcomer: Newcomer, public_key: str, host_key: HostKeyPair) -> str:
    """Return cloud-init user data for a server that is to join a fleet.

    Args:
        newcomer: the server; its admin is made, and is the only account that can log in.
        public_key: the key that the admin logs in with, as a .pub file has it.
        host_key: the server's host key; its private half stands in the text.
    """
    head = (
        "#cloud-config\n"
        f"# {newcomer.name} ({newcomer.address}), for torchrack onboard.\n"
        "# The private host key stands below: who has it can pose as this server. Once the server\n"
        "# is up, remove this file, and the user data where the provider keeps it.\n"
    )
    return head + _text(_config(newcomer, public_key, host_key))


def autoinstall(newcomer: Newcomer, public_key: str, host_key: HostKeyPair) -> str:
    """Return a configuration of Ubuntu's installer for a server that is to join a fleet.

    The disk is chosen and partitioned by the installer's own default; the section ``storage`` is
    for those who want another one.

    Args:
        newcomer: the server; its admin is made, and is the only account that can log in.
        public_key: the key that the admin logs in with, as a .pub file has it.
        host_key: the server's host key; its private half stands in the text.
    """
    head = (
        "#cloud-config\n"
        f"# {newcomer.name} ({newcomer.address}): installs Ubuntu, for torchrack onboard.\n"
        "# It ERASES the disk that the installer chooses: add a section storage to choose it.\n"
        "# The private host key stands below: who has it can pose as this server. Once the server\n"
        "# is up, remove this file.\n"
    )
    config = {
        "version": 1,
        "ssh": {"install-server": True, "allow-pw": False},
        "user-data": _config(newcomer, public_key, host_key),
    }
    return head + _text({"autoinstall": config})


def write(path: Path, text: str, newcomer: Newcomer) -> None:
    """Write user data into a new file that nobody else can read.

    Args:
        path: the file.
        text: its content.
        newcomer: whom it is for, for messages.

    Raises:
        HostError: there is a file already: its server may have been booted with it, and has its
            host key; or it can't be written.
    """
    fix = "remove it if no server runs with its host key, or name another file"
    if os.path.lexists(path):
        what, needed = "User data", "a file that is not there yet"
        raise HostError(Problem(newcomer.name, what, f"{path} is there already", needed, fix))
    try:
        atomic.write(path, text, mode=0o600)
    except OSError as error:
        found, fix = f"{path}: {error.strerror}", "name a file that can be written"
        raise HostError(Problem(newcomer.name, "User data", found, "a file", fix)) from None


def _config(newcomer: Newcomer, public_key: str, host_key: HostKeyPair) -> dict[str, Any]:
    # A name like gpu_07 is none for a machine; it keeps the one that it has, then.
    named = {"hostname": newcomer.name} if _HOSTNAME.fullmatch(newcomer.name) else {}
    return {
        **named,
        # No "default" among them: the image's own account is not made.
        "users": [
            {
                "name": newcomer.admin,
                "gecos": "Torchrack",
                "shell": "/bin/bash",
                "lock_passwd": True,
                "sudo": "ALL=(ALL:ALL) NOPASSWD: ALL",
                "ssh_authorized_keys": [public_key.strip()],
            }
        ],
        "disable_root": True,
        "ssh_pwauth": False,
        # Else the provider's keys go to root, with a command that refuses the login.
        "allow_public_ssh_keys": False,
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": host_key.private, "ed25519_public": host_key.public},
    }


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks."""


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text.rstrip("\n") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)


def _text(config: dict[str, Any]) -> str:
    stream = io.StringIO()
    yaml.dump(config, stream, Dumper=_Dumper, sort_keys=False, width=4096)
    return stream.getvalue()
