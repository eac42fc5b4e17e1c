"""Run the state tests of a host: a process of its own, bounded in time."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from torchrack.errors import Problem
from torchrack.onboard.state_tests.model import StateTests
from torchrack.onboard.state_tests.read import Ended, counts, problems, read_junit

SECONDS = 600
"""How long all of them may take; on a healthy host it is well under a minute."""
ROOT = Path(__file__).resolve().parents[3]
"""The repository: the tests stand beside the package, they are no part of it."""

Progress = Callable[[int, int], None]
"""Called with the number of tests that are done, and of all (0: not known yet)."""

_NEEDS = {"pytest": "pytest", "testinfra": "pytest-testinfra", "pytest_timeout": "pytest-timeout"}


def run_state_tests(
    inventory: Path,
    host: str,
    *,
    seconds: float = SECONDS,
    progress: Progress = lambda done, total: None,
) -> StateTests:
    """Run the state tests of one host in a process of their own, and wait for it.

    Nothing is raised for what goes wrong: it stands in ``problems``.

    Args:
        inventory: the fleet's inventory, in which the host stands and for which a lock is there.
        host: its name.
        seconds: how long they may take; then they are ended.
        progress: called as tests end, in the calling thread.
    """
    if missing := _missing(host):
        return StateTests(problems=(missing,))
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="torchrack-state-") as folder:
        xml, said = Path(folder) / "junit.xml", Path(folder) / "output"
        status = _run(command(inventory, host, xml), said, seconds, progress)
        output = said.read_text(encoding="utf-8", errors="replace")
        tests = read_junit(xml, host)
    found = problems(inventory, host, tests, Ended(status, output, seconds))
    return StateTests(tests, time.monotonic() - started, tuple(found))


def command(inventory: Path, host: str, xml: Path) -> list[str]:
    """Return the command that runs the tests.

    Args:
        inventory: the fleet's inventory.
        host: the host's name in it.
        xml: where JUnit's XML goes.
    """
    return [
        *(sys.executable, "-m", "pytest", f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml")),
        *(str(ROOT / "tests" / "state"), "--inventory", str(inventory.resolve()), "--limit", host),
        *("--verbose", "--no-header", "--color=no", "--tb=short", "-p", "no:cacheprovider"),
        *(f"--junitxml={xml}", "-o", "junit_family=xunit2"),
    ]


def _missing(host: str) -> Problem | None:
    packages = [name for module, name in _NEEDS.items() if not importlib.util.find_spec(module)]
    if packages:
        found = f"this machine's Python lacks {', '.join(packages)}"
        fix = f"run make deps in {ROOT}"
        return Problem(host, "State tests", found, "the packages of the tests", fix)
    if not (ROOT / "tests" / "state").is_dir():
        found, needed = f"no tests/state in {ROOT}", "Torchrack's own repository"
        fix = "run torchrack from a clone of the repository"
        return Problem(host, "State tests", found, needed, fix)
    return None


def _run(argv: list[str], said: Path, seconds: float, progress: Progress) -> int | None:
    """Run a command with its output in a file; return its exit status, None past its time."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
    deadline = time.monotonic() + seconds
    with (
        said.open("w", encoding="utf-8") as out,
        said.open(encoding="utf-8", errors="replace") as reader,
    ):
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
        try:
            return _wait(process, reader, deadline, progress)
        finally:
            _end(process)


def _wait(
    process: subprocess.Popen[bytes], reader: TextIO, deadline: float, progress: Progress
) -> int | None:
    output, told = "", (0, 0)
    while (left := deadline - time.monotonic()) > 0:
        try:
            status: int | None = process.wait(min(left, 0.5))
        except subprocess.TimeoutExpired:
            status = None
        output += reader.read()
        whole = output[: output.rfind("\n") + 1]
        if (now := counts(whole)) != told:
            told = now
            progress(*told)
        if status is not None:
            return status
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what still runs, with all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        try:
            os.killpg(process.pid, number)
            process.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
