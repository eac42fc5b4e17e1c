"""What a server is made of: machine, firmware, processors, disks, network cards and GPUs.

One script as root reads sysfs and asks the tools that are there; it changes nothing and needs none
of them: what can't be told is UNKNOWN, never an error.
"""

from torchrack.onboard.hardware.ask import hardware, script
from torchrack.onboard.hardware.model import (
    UNKNOWN,
    Disk,
    GpuFacts,
    Hardware,
    Machine,
    Nic,
    Processors,
)
from torchrack.onboard.hardware.parse import parse

__all__ = [
    "UNKNOWN",
    "Disk",
    "GpuFacts",
    "Hardware",
    "Machine",
    "Nic",
    "Processors",
    "hardware",
    "parse",
    "script",
]
