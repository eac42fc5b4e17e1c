"""Settings of the ``sshd`` stage: the hardened drop-in."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from torchrack.settings.section import Section
from torchrack.settings.units import Seconds


class Sshd(Section):
    """How the OpenSSH server is hardened."""

    stage: ClassVar[str] = "sshd"

    admin_group: str = Field(
        "ssh-admins", description="the group whose members may log in (AllowGroups)"
    )
    max_auth_tries: int = Field(4, ge=1, le=10, description="tries a connection, count")
    login_grace_time: Seconds = Field(30, description="time to log in, seconds")
    tcp_forwarding: Literal["local", "no", "yes"] = Field(
        "local", description="AllowTcpForwarding; local keeps tunnels to Jupyter possible"
    )
    rollback_timeout: Seconds = Field(
        120, description="after this time without a proven new login the old files return, seconds"
    )
