"""What was counted and used of a server's GPUs, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

from torchrack.errors import Problem


@dataclass(frozen=True)
class TrainingStep:
    """A training step on one device.

    Args:
        device: "cuda:0", or "cpu" for an image without CUDA.
        before: the loss before it.
        after: the loss after it, which has to be less.
        seconds: how long it took, the device's first use included.
    """

    device: str
    before: float
    after: float
    seconds: float


@dataclass(frozen=True)
class GpuCheck:
    """What was counted; None: not counted, because something before it failed.

    Args:
        image: the image that the container was made of, pinned by digest; "" without one.
        on_pci: GPUs on the PCI bus.
        on_host: GPUs that nvidia-smi on the host can use.
        in_container: GPUs that nvidia-smi in the container can use.
        by_torch: GPUs that PyTorch in the container can use.
        torch: PyTorch's version.
        cuda: CUDA version that PyTorch was built for; None: built without CUDA.
        steps: the training steps, one a GPU.
        notes: what a reader should know though it is no fault.
        problems: what is wrong; empty when every GPU works.
    """

    image: str = ""
    on_pci: int | None = None
    on_host: int | None = None
    in_container: int | None = None
    by_torch: int | None = None
    torch: str | None = None
    cuda: str | None = None
    steps: tuple[TrainingStep, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
