"""GPUs, boards and processes as nvidia-smi lists them.

nvidia-smi lists a lost GPU with exit status 0, so a GPU counts only when its volatile fields were
readable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torchrack.nvidia_smi import values
from torchrack.nvidia_smi.remarks import Remark, beside, sysfs_address
from torchrack.nvidia_smi.status import State, message, state
from torchrack.nvidia_smi.table import Table, table

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


@dataclass(frozen=True)
class Gpu:
    """A GPU as nvidia-smi shows it.

    Args:
        index: nvidia-smi's index.
        name: product name.
        uuid: "GPU-...".
        address: PCI address in sysfs's form ("0000:1a:00.0").
        driver: version of the loaded driver.
        persistence: whether persistence mode is on, or not to be switched.
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


@dataclass(frozen=True)
class Answer:
    """The GPUs as nvidia-smi shows them, or why it does not.

    Args:
        state: OK where it lists GPUs, whatever its exit status.
        message: its own words where it does not.
        gpus: the GPUs that it lists.
        remarks: what else it says.
    """

    state: State
    message: str
    gpus: tuple[Gpu, ...]
    remarks: tuple[Remark, ...] = ()


def answer(status: int, output: str) -> Answer:
    """Read the answer to :data:`QUERY`.

    A table counts whatever the exit status: 8, 10 and 14 come with a good one, and one with some
    GPUs is better than none. A program that was stopped is not waited for a second time.

    Args:
        status: exit status.
        output: what it printed, warnings of standard error too.

    Raises:
        ValueError: it ended well, and what it printed is no table with our fields.
    """
    found = state(status, output)
    if found in (State.HUNG, State.MISSING):
        return Answer(found, message(output), ())
    try:
        read = _table(output)
        if not read.rows and found is not State.OK:
            raise ValueError("no rows")
    except ValueError:
        if found is State.OK:
            raise
        return Answer(found, message(output), ())
    listed_gpus = tuple(_gpu(row, n) for n, row in enumerate(read.rows))
    return Answer(State.OK, "", listed_gpus, beside(read, status))


def gpus(output: str) -> list[Gpu]:
    """Read the table in the answer to :data:`QUERY` (other fields may stand in it too).

    Raises:
        ValueError: a field that we need is missing, or the table is cut off.
    """
    return [_gpu(row, n) for n, row in enumerate(_table(output).rows)]


def identities(output: str) -> list[Identity]:
    """Read the answer to :data:`IDENTITIES` (other fields may stand in it too).

    Raises:
        ValueError: a field is missing, or the table is cut off.
    """
    read = table(output.splitlines())
    read.require(*IDENTITY_FIELDS)
    return [_identity(row) for row in read.rows]


def processes(output: str) -> list[Process]:
    """Read the answer to :data:`PROCESSES`, each process once.

    Raises:
        ValueError: it is not such an answer.
    """
    read = table(output.splitlines())
    read.require("pid", "process_name")
    found = {int(row["pid"]): row["process_name"] for row in read.rows}
    return [Process(pid, name) for pid, name in found.items()]


def listed(lines: Iterable[str]) -> list[str]:
    """Return the UUIDs of the GPUs in the answer to ``nvidia-smi -L``, without MIG devices.

    Args:
        lines: what it printed; one that names no GPU, as a warning, is passed over.
    """
    matches = (re.match(r"GPU \d+: .*\(UUID: (GPU-[^)]+)\)", line) for line in lines)
    return [match[1] for match in matches if match]


_NEEDED = ("index", "name", "uuid", "pci.bus_id", "driver_version", "persistence_mode")


def _table(output: str) -> Table:
    read = table(output.splitlines())
    read.require(*_NEEDED)
    return read


def _gpu(row: Mapping[str, str], position: int) -> Gpu:
    return Gpu(
        index=int(row["index"]) if row["index"].isdigit() else position,
        name=row["name"],
        uuid=row["uuid"],
        address=sysfs_address(row["pci.bus_id"]),
        driver=row["driver_version"],
        # Not every GPU has the mode: only what is off can be switched on.
        persistence=row["persistence_mode"] != "Disabled",
        lost=tuple(
            name
            for name, value in row.items()
            if values.unreadable(value) or value == values.CUT_OFF
        ),
    )


def _identity(row: Mapping[str, str]) -> Identity:
    memory = values.known(row["memory.total"])
    amount = re.fullmatch(r"(\d+) MiB", memory or "")
    return Identity(
        name=row["name"],
        uuid=values.known(row["uuid"]),
        serial=values.known(row["serial"]),
        vbios=values.known(row["vbios_version"]),
        address=sysfs_address(row["pci.bus_id"]),
        memory=int(amount[1]) * 2**20 if amount else None,
    )
