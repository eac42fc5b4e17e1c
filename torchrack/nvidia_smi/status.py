"""What an exit status of nvidia-smi means.

nvidia-smi writes its errors to standard output. Exit statuses: its manual, and the program's own,
recorded in tests/unit/fixtures/nvidia-smi.
"""

from __future__ import annotations

from enum import Enum


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
    NOT_SUPPORTED = "can't do this on these GPUs"
    NO_POWER = "finds a GPU whose power cables are not attached properly"
    INTERRUPTS = "finds a GPU whose interrupts don't arrive"
    INFOROM = "finds a damaged infoROM"
    UNKNOWN = "failed"


_BY_STATUS = {
    2: State.REFUSED,
    3: State.NOT_SUPPORTED,
    4: State.NO_PERMISSION,
    6: State.NO_DEVICES,
    8: State.NO_POWER,
    9: State.NOT_LOADED,
    10: State.INTERRUPTS,
    12: State.NO_LIBRARY,
    14: State.INFOROM,
    15: State.LOST,
    18: State.VERSION_MISMATCH,
    124: State.HUNG,  # of timeout(1)
    127: State.MISSING,  # of the shell
    137: State.HUNG,
}


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
