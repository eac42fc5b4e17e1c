"""Run a program and turn its failure into an error a person can act on."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabError


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> str:
    """Run `argv` and return its output.

    Parameters:
        stdin: text for its standard input, the place for secrets.
        env: added to this process's environment.
        timeout: seconds after which it is killed.

    Raises:
        LabError: it is missing, failed or took too long; with the end of what it printed.
    """
    words = [str(part) for part in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"{words[0]}: no such program; see lab/packages.txt") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(words)}: still running after {timeout:.0f} s") from error
    if done.returncode != 0:
        tail = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise LabError(f"{' '.join(words)}: exit status {done.returncode}\n{tail}")
    return done.stdout


def succeeds(argv: Sequence[str | Path]) -> bool:
    """Run `argv` silently and return whether it exits with 0."""
    try:
        run(argv)
    except LabError:
        return False
    return True
