"""Settings of the ``base`` stage: certificates, time, rights, updates, kernel."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

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
        None, description="the account that deploys; unset means the one that connects"
    )
    authorized_keys: list[str] = Field(
        default_factory=list,
        description="public keys that may log in as the deploy user; others are left alone",
    )
    unattended_upgrades: bool = Field(
        True, description="whether security updates go on by themselves (never the GPU stack's)"
    )
