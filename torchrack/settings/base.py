"""Settings of the ``base`` stage: certificates, time, rights, updates, kernel."""

from __future__ import annotations

import re
from typing import ClassVar

from pydantic import Field, field_validator

from torchrack.base.public_keys import check_key
from torchrack.settings.section import Section


class Base(Section):
    """What every host needs before a driver or an engine goes on it."""

    stage: ClassVar[str] = "base"

    ca_certificates: dict[str, str] = Field(
        default_factory=dict,
        description="extra CA certificates: name to path of a PEM file on the controller",
    )
    time_sync: bool = Field(True, description="whether a time synchronisation service is kept on")
    ntp_servers: list[str] = Field(
        default_factory=list, description="NTP servers; empty means the distribution's"
    )
    deploy_user: str | None = Field(
        None,
        pattern=r"^[a-z_][a-z0-9_.-]{0,31}$",
        description="the account that deploys; unset means the one that connects",
    )
    authorized_keys: list[str] = Field(
        default_factory=list,
        description="public keys that may log in as the deploy user; others are left alone",
    )
    unattended_upgrades: bool = Field(
        True, description="whether security updates go on by themselves (never the GPU stack's)"
    )

    @field_validator("ca_certificates")
    @classmethod
    def _names(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,63}", name):
                raise ValueError(f"names of lower-case letters, digits and - _ . (not {name!r})")
        return value

    @field_validator("ntp_servers")
    @classmethod
    def _servers(cls, value: list[str]) -> list[str]:
        for server in value:
            if not re.fullmatch(r"[A-Za-z0-9.:-]+", server):
                raise ValueError(f"host names or addresses (not {server!r})")
        return value

    @field_validator("authorized_keys")
    @classmethod
    def _keys(cls, value: list[str]) -> list[str]:
        return [check_key(line) for line in value]
