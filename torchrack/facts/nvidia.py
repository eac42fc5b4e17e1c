"""Facts that nvidia-smi tells, and which processes hold a GPU."""

from __future__ import annotations

from contextlib import suppress

from pyinfra.api.exceptions import FactProcessError
from pyinfra.api.facts import FactBase

from torchrack.nvidia_smi import PROCESSES, QUERY, Process, answer, processes
from torchrack.nvidia_smi import Answer as SmiAnswer

__all__ = ["DAEMONS", "GpuProcesses", "NvidiaSmi", "SmiAnswer"]

DAEMONS = frozenset({"nvidia-persiste", "nv-fabricmanage", "nv-hostengine", "nvidia-smi"})
"""Names (of 15 letters, as in /proc/PID/comm) of programs that hold a GPU and do no work on it."""


class NvidiaSmi(FactBase[SmiAnswer]):
    """All GPUs of the host."""

    def command(self) -> str:
        """Ask nvidia-smi, which hangs on some broken GPUs."""
        return f"timeout -k 5 60 {QUERY} 2>&1; echo status=$?"

    def process(self, output: list[str]) -> SmiAnswer:
        """Parse the answer."""
        text, status = _answer(output)
        try:
            return answer(status, text)
        except ValueError as error:
            raise FactProcessError(str(error)) from error


class GpuProcesses(FactBase[list[Process]]):
    """Processes that use a GPU, in containers too, also where nvidia-smi can't answer."""

    def command(self) -> str:
        """Look for open device nodes, and ask nvidia-smi."""
        return (
            "find /proc/[0-9]*/fd -maxdepth 1 -lname '/dev/nvidia[0-9]*' -printf '%h\\n' "
            "2>/dev/null | sort -u | while read -r d; do p=${d%/fd}; "
            'echo "pid=${p#/proc/} $(cat "$p/comm" 2>/dev/null)"; done; '
            f"timeout -k 5 30 {PROCESSES} 2>/dev/null; echo status=$?"
        )

    def process(self, output: list[str]) -> list[Process]:
        """Merge both answers by process id; nvidia-smi counts only where it printed a table."""
        found: dict[int, str] = {}
        for line in output:
            if line.startswith("pid="):
                pid, _, name = line[4:].partition(" ")
                found[int(pid)] = name
        text, _ = _answer([line for line in output if not line.startswith("pid=")])
        with suppress(ValueError):
            found |= {process.pid: process.name for process in processes(text)}
        return [Process(pid, name) for pid, name in sorted(found.items()) if name not in DAEMONS]


def _answer(output: list[str]) -> tuple[str, int]:
    if not output or not output[-1].startswith("status="):
        raise FactProcessError(f"no exit status after {output!r}")
    return "\n".join(output[:-1]), int(output[-1].removeprefix("status="))
