"""What nvidia-smi says: the one place that reads its output.

nvidia-smi writes its errors to standard output and lists a lost GPU with exit status 0, so the exit
status comes first and a GPU counts only when its volatile fields were readable. Forms and exit
statuses: the program's own, recorded in tests/unit/fixtures/nvidia-smi.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

FIELDS = (
    "index",
    "name",
    "uuid",
    "pci.bus_id",
    "driver_version",
    "persistence_mode",
    "temperature.gpu",
    "memory.used",
)
"""What we ask of each GPU: fields of all branches, the last two to notice a lost GPU."""

QUERY = f"nvidia-smi --query-gpu={','.join(FIELDS)} --format=csv"
IDENTITY_FIELDS = ("name", "uuid", "serial", "vbios_version", "pci.bus_id", "memory.total")
IDENTITIES = f"nvidia-smi --query-gpu={','.join(IDENTITY_FIELDS)} --format=csv"
"""What tells one board from another, for the record."""

PROCESSES = "nvidia-smi --query-compute-apps=pid,process_name --format=csv"

_UNREADABLE = re.compile(r"\[?(GPU is lost|Unknown Error|GPU requires reset|Not Found)\]?")
_NOT_TOLD = re.compile(r"\[?(N/A|Not Supported|Unknown)\]?|0?", re.IGNORECASE)
"""What stands for a value that a board does not have, as consumer boards have no serial number."""


class State(Enum):
    """What kept nvidia-smi from answering, or OK."""

    OK = "answers"
    MISSING = "is not installed"
    HUNG = "hangs"
    NO_PERMISSION = "may not use the driver"
    NO_DEVICES = "finds no GPU"
    NOT_LOADED = "finds no loaded kernel module"
    NO_LIBRARY = "finds no libnvidia-ml"
    LOST = "finds a GPU lost"
    VERSION_MISMATCH = "finds a library of another version than the loaded module"
    REFUSED = "does not know the question"
    UNKNOWN = "failed"


_BY_STATUS = {
    2: State.REFUSED,
    4: State.NO_PERMISSION,
    6: State.NO_DEVICES,
    9: State.NOT_LOADED,
    12: State.NO_LIBRARY,
    15: State.LOST,
    18: State.VERSION_MISMATCH,
    124: State.HUNG,  # of timeout(1)
    127: State.MISSING,  # of the shell
    137: State.HUNG,
}


@dataclass(frozen=True)
class Gpu:
    """A GPU as nvidia-smi shows it.

    Args:
        index: nvidia-smi's index.
        name: product name.
        uuid: "GPU-...".
        address: PCI address in sysfs's form ("0000:1a:00.0").
        driver: version of the loaded driver.
        persistence: whether persistence mode is on.
        lost: the fields that could not be read; a healthy GPU has none.
    """

    index: int
    name: str
    uuid: str
    address: str
    driver: str
    persistence: bool
    lost: tuple[str, ...]


@dataclass(frozen=True)
class Identity:
    """What a board is; None stands for what it does not tell.

    Args:
        name: product name.
        uuid: "GPU-...".
        serial: the board's serial number.
        vbios: version of its firmware.
        address: PCI address in sysfs's form ("0000:1a:00.0").
        memory: bytes.
    """

    name: str
    uuid: str | None
    serial: str | None
    vbios: str | None
    address: str
    memory: int | None


@dataclass(frozen=True)
class Process:
    """A process that uses a GPU."""

    pid: int
    name: str


def state(status: int, output: str) -> State:
    """Return what an exit status and the output of any nvidia-smi command mean."""
    if status == 0:
        return State.OK
    if "No devices were found" in output:
        return State.NO_DEVICES
    return _BY_STATUS.get(status, State.UNKNOWN)


def message(output: str) -> str:
    """Return the program's own words about a failure, on one line."""
    return " ".join(output.split())


def gpus(output: str) -> list[Gpu]:
    """Read the answer to :data:`QUERY` (other fields may stand in it too).

    Args:
        output: standard output of a query that ended with status 0.

    Raises:
        ValueError: a field that we need is missing, or the table is cut off.
    """
    return [_gpu(row) for row in _rows(output)]


def identities(output: str) -> list[Identity]:
    """Read the answer to :data:`IDENTITIES` (other fields may stand in it too).

    Raises:
        ValueError: a field is missing, or the table is cut off.
    """
    return [_identity(row) for row in _rows(output)]


def processes(output: str) -> list[Process]:
    """Read the answer to :data:`PROCESSES`, each process once.

    Raises:
        ValueError: it is not such an answer.
    """
    rows = _rows(output)
    try:
        found = {int(row["pid"]): row["process_name"] for row in rows}
    except KeyError as error:
        raise ValueError(f"nvidia-smi's answer has no field {error}") from None
    return [Process(pid, name) for pid, name in found.items()]


def sysfs_address(bus_id: str) -> str:
    """Return NVML's bus id ("00000000:1A:00.0") in sysfs's form ("0000:1a:00.0")."""
    domain, _, rest = bus_id.lower().partition(":")
    return f"{int(domain, 16):04x}:{rest}"


def _gpu(row: dict[str, str]) -> Gpu:
    try:
        return Gpu(
            index=int(row["index"]),
            name=row["name"],
            uuid=row["uuid"],
            address=sysfs_address(row["pci.bus_id"]),
            driver=row["driver_version"],
            persistence=row["persistence_mode"] == "Enabled",
            lost=tuple(name for name, value in row.items() if _UNREADABLE.fullmatch(value)),
        )
    except KeyError as error:
        raise ValueError(f"nvidia-smi's answer has no field {error}") from None


def _identity(row: dict[str, str]) -> Identity:
    try:
        memory = _told(row["memory.total"])
        return Identity(
            name=row["name"],
            uuid=_told(row["uuid"]),
            serial=_told(row["serial"]),
            vbios=_told(row["vbios_version"]),
            address=sysfs_address(row["pci.bus_id"]),
            memory=int(memory.removesuffix(" MiB")) * 2**20 if memory else None,
        )
    except KeyError as error:
        raise ValueError(f"nvidia-smi's answer has no field {error}") from None


def _told(value: str) -> str | None:
    return None if _NOT_TOLD.fullmatch(value) or _UNREADABLE.fullmatch(value) else value


def _rows(output: str) -> Iterable[dict[str, str]]:
    """The lines of csv as dictionaries; units in the header ("memory.used [MiB]") are dropped."""
    lines = list(csv.reader(output.splitlines(), skipinitialspace=True))
    if not lines:
        raise ValueError("nvidia-smi printed nothing")
    header = [name.partition(" [")[0] for name in lines[0]]
    for line in lines[1:]:
        if len(line) != len(header):
            raise ValueError(f"nvidia-smi's answer is cut off: {line}")
        yield dict(zip(header, line, strict=True))
