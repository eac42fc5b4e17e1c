"""Lines that nvidia-smi prints beside its answer: which GPU they are about, and how grave they are.

The forms are those of public reports: NVIDIA/gpu-operator issues 20 and 285 (infoROM),
NordicHPC/sonar issue 72 (a GPU that can't be reached, between others that can), and nvidia-smi's
manual, which has an exit status of its own for three of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from torchrack.nvidia_smi import values
from torchrack.nvidia_smi.table import Table

_ADDRESS = re.compile(r"([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", re.IGNORECASE)


class Kind(Enum):
    """What a remark is about."""

    INFOROM = "a damaged infoROM"
    POWER = "power cables that are not attached properly"
    INTERRUPTS = "interrupts of a GPU that don't arrive"
    LOST = "a GPU that can't be reached"
    PERSISTENCE = "persistence mode"
    OTHER = "something else"


_WORDS = (
    (Kind.INFOROM, re.compile(r"info\s?rom", re.IGNORECASE)),
    (Kind.POWER, re.compile(r"insufficient(ly)? (external )?power|\bcables?\b", re.IGNORECASE)),
    (Kind.INTERRUPTS, re.compile(r"\binterrupts?\b|\bIRQ\b", re.IGNORECASE)),
    (
        Kind.LOST,
        re.compile(
            r"unable to (determine|detect) the device handle|GPU is lost|fallen off|"
            r"requires (a )?reset|unable to communicate with (the )?GPU",
            re.IGNORECASE,
        ),
    ),
    (Kind.PERSISTENCE, re.compile(r"persistence.mode", re.IGNORECASE)),
)
_BY_STATUS = {8: Kind.POWER, 10: Kind.INTERRUPTS, 14: Kind.INFOROM, 15: Kind.LOST}
"""Exit statuses that say the same of some GPU (nvidia-smi's manual, "RETURN VALUE")."""


@dataclass(frozen=True)
class Remark:
    """What nvidia-smi said beside its answer.

    Args:
        kind: what it is about.
        address: PCI address of the GPU in sysfs's form, None where it names none.
        text: its words, on one line.
    """

    kind: Kind
    address: str | None
    text: str


def remarks(lines: Iterable[str], status: int = 0) -> tuple[Remark, ...]:
    """Return what lines that are no row of a table say, each once.

    Args:
        lines: the lines.
        status: exit status of the command that printed them.
    """
    found = [_remark(line) for line in dict.fromkeys(" ".join(line.split()) for line in lines)]
    kind = _BY_STATUS.get(status, Kind.OTHER)
    # A status that comes with its words says nothing more, as when a question failed altogether.
    if status and not any(kind in (one.kind, Kind.OTHER) for one in found):
        meaning = f": {kind.value}" if kind is not Kind.OTHER else ""
        found.append(Remark(kind, None, f"nvidia-smi ended with {status}{meaning}"))
    return tuple(found)


def beside(read: Table, status: int = 0) -> tuple[Remark, ...]:
    """Return what an answer in csv says beside its rows, and of the infoROM in them.

    Args:
        read: the answer.
        status: exit status of the command that printed it.
    """
    damaged = [
        f"no {field} of GPU {row.get('pci.bus_id') or row.get('gpu_bus_id')}: {value.strip('[]')}"
        for row in read.rows
        for field, value in row.items()
        if values.inforom(value)
    ]
    return remarks([*read.remarks, *damaged], status)


def sysfs_address(bus_id: str) -> str:
    """Return NVML's bus id ("00000000:1A:00.0") in sysfs's form ("0000:1a:00.0")."""
    domain, _, rest = bus_id.lower().partition(":")
    return f"{int(domain, 16):04x}:{rest}"


def _remark(line: str) -> Remark:
    kind = next((kind for kind, words in _WORDS if words.search(line)), Kind.OTHER)
    address = _ADDRESS.search(line)
    return Remark(kind, sysfs_address(address[1]) if address else None, line)
