"""Many commands in one script, and its output taken apart again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torchrack.facts.answers import Output, Request

_HEAD = """export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ask() {
    status=124
    case $hung$3 in
    yes*nvidia-smi*) ;;
    *) timeout -k 2 "$2" sh -c "$3" </dev/null 2>/dev/null; status=$? ;;
    esac
    case $status$3 in 124*nvidia-smi*|137*nvidia-smi*) hung=yes ;; esac
    printf '\\n%s %s %s\\n' "$mark" "$1" "$status"
}
hung=
"""
"""Where nvidia-smi hangs, as on some broken GPUs, nobody waits for it a second time."""

_END = re.compile(r" (\d+) (\d+)")
"""What follows the mark where an output ends: the number of its command, and the exit status."""


@dataclass(frozen=True)
class Batch:
    """Commands that go over together; ``mark`` is a word that no output has in it."""

    requests: tuple[Request, ...]
    mark: str

    @property
    def seconds(self) -> int:
        """How long all of them may take together."""
        return min(sum(request.seconds for request in self.requests), 300)

    def script(self) -> str:
        """Return the shell text that runs them one after the other."""
        lines = [
            f"ask {number} {request.seconds} {shlex.quote(request.command)}"
            for number, request in enumerate(self.requests)
        ]
        return _HEAD + "\n".join([f"mark={self.mark}", *lines, 'echo "$mark end"'])

    def outputs(self, lines: Sequence[str]) -> dict[str, Output]:
        """Return what each command printed.

        Args:
            lines: the script's output.

        Raises:
            ValueError: it was cut off.
        """
        found: dict[str, Output] = {}
        part: list[str] = []
        for line in lines:
            match = _END.fullmatch(line, len(self.mark)) if line.startswith(self.mark) else None
            if match is None:
                part.append(line)
                continue
            # The mark begins a line of its own, whether or not the output ended one.
            body = part[:-1] if part and part[-1] == "" else part
            found[self.requests[int(match[1])].command] = Output(int(match[2]), body)
            part = []
        if f"{self.mark} end" not in part:
            raise ValueError(f"cut off after {len(found)} of {len(self.requests)} answers")
        return found


def unique(requests: Iterable[Request]) -> tuple[Request, ...]:
    """Return requests with each command once, in order, with the longest of its times."""
    longest: dict[str, int] = {}
    for request in requests:
        longest[request.command] = max(request.seconds, longest.get(request.command, 0))
    return tuple(Request(command, seconds) for command, seconds in longest.items())
