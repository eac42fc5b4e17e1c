"""What a program costs: seconds, CPU seconds and memory, by the kernel's own account of it.

Run as a program, this file starts another one and prints its account. It is small itself: a process
is told to have had at least the memory of the one that started it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Cost:
    """What a process cost.

    Args:
        wall: seconds.
        cpu: CPU seconds, of the system's too, and of its children.
        memory: MiB at most (ru_maxrss).
        output: what it printed.
    """

    wall: float
    cpu: float
    memory: float
    output: str


def measure(
    command: Sequence[object], environment: Mapping[str, str], *, status: int | None = 0
) -> Cost:
    """Run a program to its end; one that fails ends the bench.

    Args:
        command: the program and its arguments.
        environment: variables set beside this process's own.
        status: the exit status it has to have; None: any.
    """
    given = {**os.environ, **environment}
    given.pop("PYTHONDONTWRITEBYTECODE", None)  # where it is set, each start compiles all anew
    with tempfile.NamedTemporaryFile("w+") as output:
        launcher = [sys.executable, "-I", "-S", __file__, output.name, *map(str, command)]
        done = subprocess.run(
            launcher, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=given
        )
        text = output.read()
    told = json.loads(done.stdout)
    if status is not None and told["status"] != status:
        raise SystemExit(f"{command[0]} ended with {told['status']}:\n{text[-3000:]}")
    return Cost(told["wall"], told["cpu"], told["memory"], text)


def _launch(output: str, command: list[str]) -> None:
    begun = time.monotonic()
    with open(output, "w") as file:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file)
        _, status, usage = os.wait4(child.pid, 0)
    told = {
        "wall": time.monotonic() - begun,
        "cpu": usage.ru_utime + usage.ru_stime,
        "memory": usage.ru_maxrss / 1024,
        "status": os.waitstatus_to_exitcode(status),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    _launch(sys.argv[1], sys.argv[2:])
