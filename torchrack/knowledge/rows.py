"""The rows of the knowledge tables, typed; every row names its source."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Version = Annotated[str, Field(pattern=r"^\d+(\.\d+)*$")]
Capability = Annotated[str, Field(pattern=r"^\d+\.\d$")]
DeviceId = Annotated[str, Field(pattern=r"^[0-9a-f]{4}$")]
ChipName = Annotated[str, Field(pattern=r"^[A-Z]{2}\d*[A-Z]?$")]
ChannelName = Literal["cuda-repo", "ubuntu"]
Modules = Literal["dkms", "signed"]


class Row(BaseModel):
    """What all rows share: nothing unknown in them, and they do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Row):
    """Where facts are from: title, address, and the day of the contents that were read."""

    title: str
    url: str = Field(pattern=r"^https://")
    date: dt.date

    def __str__(self) -> str:
        return f"{self.title} ({self.date})"


class Sourced(Row):
    """A row with the name of its source; not checked: not all of it was compared with that."""

    source: str
    checked: bool = True


class Branch(Sourced):
    """A driver branch: kind, end of life (YYYY-MM), CUDA version it ships with, versions seen."""

    branch: int = Field(ge=100, le=9999)
    kind: Literal["LTSB", "PB", "NFB"] | None = None
    eol: str | None = Field(None, pattern=r"^20\d\d-(0[1-9]|1[0-2])$")
    ended: bool = False
    cuda: Version | None = None
    versions: tuple[Version, ...] = ()
    versions_source: str | None = None

    def dead(self, today: dt.date) -> bool:
        """Whether the branch gets no updates any more: its last month is over."""
        return self.ended or (self.eol is not None and self.eol < today.strftime("%Y-%m"))


class CudaMajor(Sourced):
    """A CUDA major version and the lowest driver branch that runs its programs."""

    major: int
    floor: int


class CudaToolkit(Sourced):
    """A CUDA toolkit ("12.6") and the driver it was released with."""

    cuda: Version
    driver: Version | None = None


class CapabilityRange(Sourced):
    """The CUDA toolkits, first to last, that build for a compute capability."""

    capability: Capability
    first: Version | None = None
    last: Version | None = None


class Chip(Sourced):
    """A chip, by the start of its name: compute capability, products that MIG can cut."""

    chip: ChipName
    capability: Capability | None = None
    mig: tuple[str, ...] = ()


class TorchBuild(Row):
    """A CUDA build of a PyTorch release; amd64 and arm64 name sets of compute capabilities."""

    cuda: Version
    cudnn: Version
    amd64: str
    arm64: str | None = None
    experimental: bool = False


class TorchRelease(Sourced):
    """A PyTorch release: Python versions and CUDA builds."""

    torch: Version
    python: tuple[Version, ...]
    python_experimental: tuple[Version, ...] = ()
    builds: tuple[TorchBuild, ...] = Field(min_length=1)


class Channel(Sourced):
    """A source of driver packages; no ``branches``: all of the table."""

    channel: ChannelName
    title: str
    systems: tuple[str, ...]
    modules: tuple[Modules, ...]
    branches: tuple[int, ...] = ()
    kernels: tuple[str, ...] = ()


class Transitional(Sourced):
    """A package that says one branch and installs another."""

    channel: ChannelName
    branch: int
    becomes: int
    package: str


class ContainerToolkit(Sourced):
    """A version of the NVIDIA Container Toolkit and the oldest Docker it works with."""

    toolkit: str = Field(pattern=r"^\d+\.\d+\.\d+-\d+$")
    docker: Version
    default: bool = False


class DriverNames(Sourced):
    """The packages of a driver without a display, from a branch on; ``{branch}`` is the branch.

    ``{kernel}`` is the flavour of the kernel that signed modules are for ("generic").
    """

    channel: ChannelName
    family: Literal["debian", "ubuntu"]
    modules: Modules
    flavour: Literal["open", "proprietary"]
    from_branch: int
    packages: tuple[str, ...] = Field(min_length=1)


class Dcgm(Sourced):
    """DCGM's package from a driver branch on."""

    from_branch: int
    package: str


class FabricManager(Sourced):
    """Fabric Manager's package in a channel from a driver branch on."""

    channel: ChannelName
    from_branch: int
    package: str


class Rule(Sourced):
    """A rule of the contract, in words."""

    says: str
