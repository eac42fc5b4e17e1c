"""How long a run takes that has nothing to do, and the state tests: ``python bench/second_run.py``.

Prints seconds (minimum, median, maximum) of several runs against an inventory that is deployed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent


def main() -> None:
    """Time each command and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inventory", default="inventories/lab.py")
    parser.add_argument("--runs", type=int, default=5)
    chosen = parser.parse_args()
    commands = {
        "second run": [BIN / "pyinfra", "-y", chosen.inventory, "deploy.py"],
        "dry run": [BIN / "pyinfra", "--dry", chosen.inventory, "deploy.py"],
        "state tests": [BIN / "pytest", "-q", "tests/state", "--inventory", chosen.inventory],
    }
    for name, command in commands.items():
        seconds = sorted(_time(command) for _ in range(chosen.runs))
        middle = statistics.median(seconds)
        print(f"{name:12} {seconds[0]:6.2f} {middle:6.2f} {seconds[-1]:6.2f}", flush=True)


def _time(command: list[str | Path]) -> float:
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
