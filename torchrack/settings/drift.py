"""Settings of the drift check: what may be on a host that no deploy puts there."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints, field_validator

from torchrack.base.public_keys import check_key
from torchrack.settings.section import Section


class Drift(Section):
    """What the drift check takes for fine beside what is declared elsewhere."""

    stage: ClassVar[str] = "drift"

    sockets: list[Annotated[str, StringConstraints(pattern=r"^(tcp|udp):\d{1,5}$")]] = Field(
        default_factory=list, description='ports that others may listen on, as "tcp:9100"'
    )
    sudoers: list[str] = Field(
        default_factory=lambda: ["90-cloud-init-users"],
        description="files of /etc/sudoers.d that are others' to keep",
    )
    docker_group: list[str] = Field(
        default_factory=list, description="accounts that may be in the group docker, which is root"
    )
    root_keys: bool = Field(
        False, description="whether root may have authorized keys, which sshd refuses anyway"
    )
    authorized_keys: list[str] = Field(
        default_factory=list,
        description="public keys that any account may have, beside base.authorized_keys of the "
        "account that deploys",
    )
    key_accounts: list[str] = Field(
        default_factory=list, description="accounts whose authorized keys are others' to keep"
    )
    key_sources: list[str] = Field(
        default_factory=list,
        description="programs and files that sshd may take keys from beside authorized_keys, as "
        "AuthorizedKeysCommand and TrustedUserCAKeys name them",
    )
    disk_full: int = Field(
        90, ge=50, le=100, description="use of a file system that is a finding, percent"
    )

    @field_validator("authorized_keys")
    @classmethod
    def _keys(cls, value: list[str]) -> list[str]:
        return [check_key(line) for line in value]
