"""Whether all GPUs of a server reach PyTorch in a container: counted four times, then used.

GPUs are counted on the PCI bus, by nvidia-smi on the host, by nvidia-smi in a container of the
pinned image, and by PyTorch in it; then each takes a training step. The container gets the GPUs by
CDI, as the workloads do, and is gone afterwards.
"""

from torchrack.onboard.gpu_check.ask import SECONDS, check_gpus
from torchrack.onboard.gpu_check.model import GpuCheck, TrainingStep

__all__ = ["SECONDS", "GpuCheck", "TrainingStep", "check_gpus"]
