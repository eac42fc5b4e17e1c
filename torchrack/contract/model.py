"""What goes into a contract and what comes out: plain values, all of them hashable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torchrack.gpus import Flavour
from torchrack.knowledge.rows import ChannelName, Modules

AUTO = "auto"


@dataclass(frozen=True)
class Facts:
    """What a host is.

    Args:
        gpus: PCI device ids of its GPUs ("2335"), one a GPU.
        system: distribution and version as NVIDIA's repositories name them ("ubuntu2404").
        machine: dpkg's name of the processor's architecture ("amd64", "arm64").
        nvswitches: NVSwitches on the PCI bus, count.
        kernel: release of the kernel ("6.8.0-45-generic"); None: not known.
        secure_boot: whether Secure Boot is on; None: not known.
        dkms_key_enrolled: whether the firmware knows the key that the host's DKMS signs with.
        offered: driver versions that the host's apt offers; None: not asked.
    """

    gpus: tuple[str, ...]
    system: str = "ubuntu2404"
    machine: str = "amd64"
    nvswitches: int = 0
    kernel: str | None = None
    secure_boot: bool | None = None
    dkms_key_enrolled: bool = False
    offered: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ImageWish:
    """What an image is, or what it is wished to be.

    Args:
        name: what it is called in messages.
        torch: PyTorch release ("2.6"), "auto", or None for an image without PyTorch.
        cuda: CUDA version ("12.6") or "auto".
        python: Python version ("3.12") or "auto".
        requires: values of its NVIDIA_REQUIRE_* variables, all of which have to hold.
    """

    name: str = "image"
    torch: str | None = AUTO
    cuda: str = AUTO
    python: str = AUTO
    requires: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wishes:
    """What the settings ask for; "auto" leaves it to the resolver.

    Args:
        driver: branch ("580") or exact version ("580.159.04").
        flavour: "open" or "proprietary".
        source: "cuda-repo" or "ubuntu".
        modules: "dkms" or "signed".
        fabric_manager: "yes" or "no".
        toolkit: version of the container toolkit ("1.19.1-1").
        docker: version of the engine ("29.6.1").
        mig: whether GPUs are to be cut into instances.
        images: what is to run.
    """

    driver: str = AUTO
    flavour: str = AUTO
    source: str = AUTO
    modules: str = AUTO
    fabric_manager: str = AUTO
    toolkit: str = AUTO
    docker: str = AUTO
    mig: bool = False
    images: tuple[ImageWish, ...] = ()


@dataclass(frozen=True)
class Option:
    """A way to drive a host: source, modules, branch and flavour."""

    source: ChannelName
    modules: Modules
    branch: int
    flavour: Flavour

    def __str__(self) -> str:
        return f"R{self.branch} {self.flavour} from {self.source} ({self.modules})"


@dataclass(frozen=True)
class Conflict:
    """Why something does not go.

    Args:
        rule: the rule's name in knowledge/rules.yml.
        reason: what is wrong, a sentence.
        source: what the rule stands on, with its date.
        url: the source's address.
    """

    rule: str
    reason: str
    source: str
    url: str


@dataclass(frozen=True)
class Choice:
    """A decision and why it was taken, in a sentence; ``rule`` names the rule behind it."""

    what: str
    value: str
    why: str
    rule: str


@dataclass(frozen=True)
class Image:
    """An image of the contract; ``driver_floor`` is the lowest driver branch that runs it."""

    name: str
    torch: str | None
    cuda: str
    cudnn: str | None
    python: str | None
    driver_floor: int

    def __str__(self) -> str:
        wheel = f"cu{self.cuda.replace('.', '')}"
        return f"torch {self.torch}+{wheel}" if self.torch else f"CUDA {self.cuda}"


@dataclass(frozen=True)
class Contract:
    """What a host gets.

    Args:
        source: where the driver comes from.
        modules: built on the host (dkms) or prebuilt and signed.
        flavour: open or proprietary kernel modules.
        branch: the driver's branch.
        driver: its exact version, None where only the host's apt knows.
        cuda: the CUDA version of the driver, as nvidia-smi shows it; None where not known.
        fabric_manager: Fabric Manager's package at the driver's version; None: not needed.
        toolkit: version of the container toolkit's packages.
        docker_minimum: the oldest Docker engine for it.
        dcgm: DCGM's package.
        mig_capable: products that can be cut into instances.
        images: one a wish.
        builds: PyTorch builds that fit host and driver ("2.14+cu130"), the newest first.
        packages: names of the driver's packages in that source.
    """

    source: ChannelName
    modules: Modules
    flavour: Flavour
    branch: int
    driver: str | None
    cuda: str | None
    fabric_manager: str | None
    toolkit: str
    docker_minimum: str
    dcgm: str
    mig_capable: tuple[str, ...]
    images: tuple[Image, ...]
    builds: tuple[str, ...]
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The resolver's answer: a contract, or conflicts with what would work instead.

    Args:
        contract: None when there are conflicts.
        conflicts: what does not go.
        warnings: what goes, with a drawback that a person should know.
        choices: what was decided, and why.
        nearest: combinations that would work, a line each, the nearest first.
    """

    contract: Contract | None
    conflicts: tuple[Conflict, ...] = ()
    warnings: tuple[Conflict, ...] = ()
    choices: tuple[Choice, ...] = ()
    nearest: tuple[str, ...] = field(default=())

    @property
    def verdict(self) -> Literal["ok", "warn", "conflict"]:
        """One word: ok, warn or conflict."""
        if self.contract is None:
            return "conflict"
        return "warn" if self.warnings else "ok"
