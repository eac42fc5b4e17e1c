"""What nvidia-smi says: the one place that reads its output.

Forms, messages and exit statuses are the program's own, of five branches, recorded in
tests/unit/fixtures/nvidia-smi.
"""

from torchrack.nvidia_smi.gpus import (
    FIELDS,
    IDENTITIES,
    PROCESSES,
    QUERY,
    Answer,
    Gpu,
    Identity,
    Process,
    answer,
    gpus,
    identities,
    listed,
    processes,
)
from torchrack.nvidia_smi.remarks import Kind, Remark, beside, remarks, sysfs_address
from torchrack.nvidia_smi.status import State, message, state

__all__ = [
    "FIELDS",
    "IDENTITIES",
    "PROCESSES",
    "QUERY",
    "Answer",
    "Gpu",
    "Identity",
    "Kind",
    "Process",
    "Remark",
    "State",
    "answer",
    "beside",
    "gpus",
    "identities",
    "listed",
    "message",
    "processes",
    "remarks",
    "state",
    "sysfs_address",
]
