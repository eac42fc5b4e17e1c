"""The drift check beside its alternatives, on the lab's hosts: ``python bench/compare.py``.

``torchrack drift``, a dry run of the same deploy with pyinfra, and the state tests, in turn. Prints
a Markdown table: seconds, commands that a host was given over SSH, CPU seconds and memory of the
controller. Nothing on the hosts is changed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.fleet.cost import Cost, measure  # noqa: E402 - the repository is no package
from torchrack.inventory import load_fleet  # noqa: E402

BIN = Path(sys.executable).parent
COUNTED = ROOT / "bench" / "fleet" / "counted.py"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inventory", default="inventories/lab.py")
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    hosts = len(load_fleet(chosen.inventory))
    commands: dict[str, list[object]] = {
        "torchrack drift": [BIN / "torchrack", "drift", chosen.inventory],
        "pyinfra --dry": [BIN / "pyinfra", "--dry", chosen.inventory, "deploy.py"],
        "pytest tests/state": [
            BIN / "pytest", "-q", "-p", "no:cacheprovider", "tests/state",
            "--inventory", chosen.inventory,
        ],
    }  # fmt: skip
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        own = {"XDG_STATE_HOME": folder, "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", folder)}
        given = {name: _count(Path(folder), command, own) for name, command in commands.items()}
        for _ in range(chosen.runs):
            for name, command in commands.items():
                costs[name].append(measure(command, own))
    print(f"{hosts} hosts, {os.cpu_count()} CPUs for them and for the controller.\n")
    print("| | seconds | commands a host | CPU s | MiB |")
    print("|---|---|--:|--:|--:|")
    for name, all_of_it in costs.items():
        walls = [one.wall for one in all_of_it]
        cells = (
            f"`{name}`",
            f"{median(walls):.1f} ({min(walls):.1f} to {max(walls):.1f})",
            f"{given[name] / hosts:.0f}",
            f"{median(one.cpu for one in all_of_it):.1f}",
            f"{median(one.memory for one in all_of_it):.0f}",
        )
        print("| " + " | ".join(cells) + " |")


def _count(folder: Path, command: list[object], environment: dict[str, str]) -> int:
    """Return how many commands hosts are given; run twice, as the first check asks more often."""
    file = folder / "commands"
    for _ in range(2):
        file.write_text("")
        measure([sys.executable, COUNTED, file, *command], environment)
    return len(file.read_text().splitlines())


if __name__ == "__main__":
    main()
