"""What a lock file holds: groups of equal hosts, what they are, were asked for, and get."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from torchrack.gpus import Flavour
from torchrack.knowledge.rows import ChannelName, Modules

SCHEMA = 1

DeviceId = Annotated[str, Field(pattern=r"^10de:[0-9a-f]{4}$")]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class _Entry(BaseModel):
    """Nothing unknown in it, and it does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Found(_Entry):
    """What a host was when its entry was made; another host than that needs another entry.

    Args:
        os: distribution and version as NVIDIA's repositories name them ("ubuntu2404").
        machine: dpkg's name of the processor's architecture.
        gpus: PCI id ("10de:2335") to the number of GPUs.
        nvswitches: NVSwitches on the PCI bus, count.
        secure_boot: whether Secure Boot was on.
        dkms_key_enrolled: whether the firmware knew the key of the host's DKMS.
    """

    os: str
    machine: str
    gpus: dict[DeviceId, int]
    nvswitches: int = 0
    secure_boot: bool | None = None
    dkms_key_enrolled: bool = False


class LockedDriver(_Entry):
    """The driver: exact upstream version, and which of its kinds."""

    version: str = Field(pattern=r"^\d+\.\d+(\.\d+)?$")
    flavour: Flavour
    source: ChannelName
    modules: Modules


class Group(_Entry):
    """Hosts that are alike and get the same.

    Args:
        hosts: their names, sorted.
        found: what they were.
        asked: settings that leave a choice or make one, as far as they are not "auto".
        driver: their driver.
        packages: package to exact Debian version: all that is named when they are installed.
        dcgm: the same of DCGM, which fits them and is not installed; empty where apt has none.
    """

    hosts: tuple[str, ...] = Field(min_length=1)
    found: Found
    asked: dict[str, str]
    driver: LockedDriver
    packages: dict[str, str]
    dcgm: dict[str, str] = Field(default_factory=dict)


class LockedImage(_Entry):
    """What a tag stands for, and what the image says of itself (for readers of the file)."""

    digest: Digest
    cuda: str | None = None
    torch: str | None = None


class Lock(_Entry):
    """A lock file: images by reference without digest, and the groups of hosts."""

    schema_: Literal[1] = Field(alias="schema")
    images: dict[str, LockedImage] = Field(default_factory=dict)
    groups: tuple[Group, ...] = ()

    @model_validator(mode="after")
    def _each_host_once(self) -> Lock:
        names = [name for group in self.groups for name in group.hosts]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"each host in one group; {', '.join(twice)} in several")
        return self

    def group(self, host: str) -> Group | None:
        """Return the group that a host is in."""
        return next((group for group in self.groups if host in group.hosts), None)


def empty() -> Lock:
    """Return the lock of a fleet that was never locked."""
    return Lock(schema=1)
