"""Whether all GPUs of a server reach PyTorch in a container: counted four times, then used.

GPUs are counted on the PCI bus, by nvidia-smi on the host, by nvidia-smi in a container of the
pinned image, and by PyTorch in it; then each takes a training step. The container gets the GPUs by
CDI, as the workloads do, and is gone afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

from torchrack.errors import Problem
from torchrack.remote import Session
from torchrack.settings.model import Settings

SECONDS = 240
"""How long the container may take; the first import of PyTorch on a cold disk takes most of it."""


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


def check_gpus(session: Session, settings: Settings, *, seconds: int = SECONDS) -> GpuCheck:
    """Count and use the GPUs of a deployed host, in two round trips.

    Args:
        session: a login that becomes root.
        settings: the host's settings, made exact by its fleet's lock.
        seconds: how long the container may take.

    Raises:
        HostError: the host did not answer; what it answered wrongly stands in ``problems``.
    """
    raise NotImplementedError
