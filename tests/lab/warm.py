"""A pytest that has loaded all it needs: each run is a fork of it.

The state tests are run more than a hundred times, for one test each; loading them takes longer than
the test. Run as ``python -m tests.lab.warm``: a line of JSON on standard input is a run's arguments
and its environment, a line on standard output its exit status and what it printed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock


class WarmPytest:
    """The loaded program; it ends with the process that started it.

    Args:
        where: the folder that it runs in.
    """

    def __init__(self, where: Path) -> None:
        self._lock = Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.warm"],
            cwd=where,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
        """Run the arguments to their end; return the exit status and what was printed."""
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        assert pipe_in is not None
        assert pipe_out is not None
        with self._lock:
            print(json.dumps([list(arguments), dict(environment)]), file=pipe_in, flush=True)
            status, output = json.loads(pipe_out.readline())
        return int(status), str(output)


def _serve() -> None:
    import pytest  # noqa: F401
    import testinfra  # noqa: F401

    import torchrack.lock.fleet  # noqa: F401

    for line in sys.stdin:
        arguments, environment = json.loads(line)
        with tempfile.TemporaryFile() as out:
            child = os.fork()
            if child == 0:
                _become(arguments, environment, out.fileno())
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            out.seek(0)
            print(json.dumps([status, out.read().decode(errors="replace")]), flush=True)


def _become(arguments: list[str], environment: dict[str, str], out: int) -> None:
    """Run pytest in this process, which ends with it."""
    import pytest

    status = 70
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        for here, there in ((nothing, 0), (out, 1), (out, 2)):
            os.dup2(here, there)
        os.environ.clear()
        os.environ.update(environment)
        status = int(pytest.main(arguments))
        sys.stdout.flush()
    finally:
        os._exit(status)


if __name__ == "__main__":
    _serve()
