"""How long it takes from a bare server to a verdict: ``python bench/onboard.py [--servers 10]``.

Makes bare servers in the lab that is up, onboards all of them with one command, and prints seconds
and verdicts. They stay in the lab and its fleet; ``python -m lab remove bench01`` takes one away.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAB = Path(os.environ.get("TORCHRACK_LAB") or ROOT / ".lab")


def main() -> None:
    """Make the servers, onboard them, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--gpus", default="h200:2")
    chosen = parser.parse_args()
    names = [f"bench{number:02}" for number in range(1, chosen.servers + 1)]
    for name in names:
        _run(sys.executable, "-m", "lab", "new", name, "--newcomer", "--gpus", chosen.gpus)
    hosts = json.loads((LAB / "state.json").read_text())["hosts"]
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "hosts.yml"
        fields = {"address": "address", "user": "user", "key": "key_file"}
        fields["host_key"] = "host_key_sha256"
        chosen_hosts = {
            name: {field: hosts[name][key] for field, key in fields.items()} for name in names
        }
        rows.write_text(json.dumps(chosen_hosts))  # JSON is YAML
        begun = time.perf_counter()
        program = Path(sys.executable).parent / "torchrack"
        output = _run(
            program, "onboard", "inventories/lab.py", "--hosts", rows, "--yes", "--json",
            "--report", folder,
        )  # fmt: skip
        seconds = time.perf_counter() - begun
    for server in json.loads(output)["servers"]:
        print(f"{server['name']:10} {server['verdict']}")
    print(f"{len(names)} server(s): {seconds:.1f} s")


def _run(*command: object) -> str:
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
