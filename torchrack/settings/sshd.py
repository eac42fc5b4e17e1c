"""Settings of the ``sshd`` stage: the hardened drop-in."""

from __future__ import annotations

import ipaddress
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from torchrack.settings.section import Section
from torchrack.settings.units import Seconds


class Sshd(Section):
    """How the OpenSSH server is hardened."""

    stage: ClassVar[str] = "sshd"

    admin_group: str = Field(
        "ssh-admins",
        pattern=r"^[a-z_][a-z0-9_-]{0,31}$",
        description="the group whose members may log in (AllowGroups)",
    )
    max_auth_tries: int = Field(4, ge=1, le=10, description="tries a connection, count")
    login_grace_time: Seconds = Field(30, ge=5, description="time to log in, seconds")
    tcp_forwarding: Literal["local", "no", "yes"] = Field(
        "local", description="AllowTcpForwarding; local keeps tunnels to Jupyter possible"
    )
    penalty_exempt: list[str] = Field(
        default_factory=list,
        description="management networks that PerSourcePenalties spares (OpenSSH 9.8 and newer)",
    )
    rollback_timeout: Seconds = Field(
        120,
        ge=30,
        le=3600,
        description="after this time without a proven new login the old files return, seconds",
    )

    @field_validator("penalty_exempt")
    @classmethod
    def _networks(cls, value: list[str]) -> list[str]:
        for entry in value:
            try:
                ipaddress.ip_network(entry)
            except ValueError as error:
                raise ValueError(f"networks as 192.0.2.0/24: {error}") from None
        return value
