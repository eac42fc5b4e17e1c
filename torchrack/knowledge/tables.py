"""All tables of knowledge as one value, with the look-ups that go over a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torchrack.gpus import Gpu, lookup, named
from torchrack.knowledge import rows

if TYPE_CHECKING:
    from torchrack.contract.model import Option


@dataclass(frozen=True, eq=False)
class Knowledge:
    """The tables; see torchrack/knowledge/*.yml for what each row says.

    Compared by identity, so that answers can be remembered for it.
    """

    sources: dict[str, rows.Source]
    rules: dict[str, rows.Rule]
    branches: dict[int, rows.Branch]
    majors: dict[int, rows.CudaMajor]
    cuda: dict[str, rows.CudaToolkit]
    capabilities: dict[str, rows.CapabilityRange]
    chips: dict[str, rows.Chip]
    sets: dict[str, tuple[str, ...]]
    releases: dict[str, rows.TorchRelease]
    channels: dict[str, rows.Channel]
    transitional: tuple[rows.Transitional, ...]
    toolkits: dict[str, rows.ContainerToolkit]
    dcgm: tuple[rows.Dcgm, ...]
    fabric_managers: tuple[rows.FabricManager, ...]
    gpus: dict[str, tuple[str, str]] = field(default_factory=dict)
    driver_names: tuple[rows.DriverNames, ...] = ()

    def gpu(self, device_id: str) -> Gpu | None:
        """Return the GPU with a PCI device id ("2335"), None where it is in no table."""
        row = self.gpus.get(device_id.lower())
        return named(device_id, *row) if row else lookup(device_id)

    def chip(self, gpu: Gpu) -> rows.Chip | None:
        """Return the row of a GPU's chip: the longest name that the chip's begins with."""
        for end in range(len(gpu.chip), 1, -1):
            row = self.chips.get(gpu.chip[:end])
            if row is not None:
                return row
        return None

    def capability(self, gpu: Gpu) -> str | None:
        """Return a GPU's compute capability ("9.0"), or None where it is not known."""
        row = self.chip(gpu)
        return row.capability if row else None

    def driver_packages(self, option: Option, system: str, kernel: str) -> tuple[str, ...]:
        """Return the names of a driver's packages; empty where no row has them.

        Args:
            option: source, modules, branch and flavour.
            system: the distribution, as NVIDIA's repositories name it ("ubuntu2404").
            kernel: the kernel's flavour, the end of its release ("generic").
        """
        kind = (option.source, system.rstrip("0123456789"), option.modules, option.flavour)
        fitting = [
            row
            for row in self.driver_names
            if (row.channel, row.family, row.modules, row.flavour) == kind
            and row.from_branch <= option.branch
        ]
        if not fitting:
            return ()
        row = max(fitting, key=lambda row: row.from_branch)
        return tuple(name.format(branch=option.branch, kernel=kernel) for name in row.packages)

    def dcgm_package(self, branch: int) -> str:
        """Return the name of DCGM's package for a driver branch."""
        fitting = [row for row in self.dcgm if row.from_branch <= branch]
        return max(fitting, key=lambda row: row.from_branch).package

    def fabric_manager_package(self, channel: str, branch: int) -> str:
        """Return the name of Fabric Manager's package in a channel for a driver branch."""
        fitting = [
            row
            for row in self.fabric_managers
            if row.channel == channel and row.from_branch <= branch
        ]
        row = max(fitting, key=lambda row: row.from_branch)
        return row.package.format(branch=branch)

    def covered(self, build: rows.TorchBuild, machine: str) -> tuple[str, ...] | None:
        """Return the compute capabilities that a build has code for; None where not known.

        Args:
            build: the build.
            machine: dpkg's name of the processor's architecture ("amd64", "arm64").
        """
        name = build.arm64 if machine == "arm64" else build.amd64
        return self.sets[name] if name else None
