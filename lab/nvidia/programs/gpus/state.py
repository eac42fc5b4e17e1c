"""The state of the simulated hardware: what tests set, and what nvidia-smi changes.

/run/nvidia-lab/state.json (gone after a boot) holds, each key optional:

    {"init": "gpu-lost" | "no-permission" | "unknown-error",   NVML does not initialise
     "gpus": {"1": {"lost": true, "mig": true, "ecc_uncorrected": 3, "memory_used": 512,
                    "utilization": 97, "temperature": 88, "power_draw": 640, "power_limit": 500,
                    "persistence": true, "remapped_correctable": 1, "remapped_uncorrectable": 1,
                    "remapped_pending": 1, "remapped_failure": 1, "fabric_state": "In Progress",
                    "retired_pending": true, "pcie_width": 8, "pcie_gen": 3, "links_down": [3],
                    "slowdown": ["hw_slowdown", "hw_thermal_slowdown"],
                    "fabric_status": "Unknown Error", "inforom_corrupted": true},
              "*": {...}},                                     by index; "*" is every GPU
     "processes": [{"pid": 4242, "name": "python3", "memory": 1234, "gpus": [0, 1]}]}

A file of the same form at /var/lib/nvidia-lab/state.json is copied there whenever the module is
loaded, and may also say `"load": {"error": "Key was rejected by service"}`: it is then not loaded.
"""

import json
import os
from pathlib import Path

from gpus import paths


def read(path: Path = paths.STATE) -> dict:
    """Return the state; an empty one when nothing was set."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return {}


def write(state: dict) -> None:
    """Replace the state. Raises OSError where the caller may not."""
    paths.RUN.mkdir(parents=True, exist_ok=True)
    aside = paths.STATE.with_name(f".state.{os.getpid()}")
    aside.write_text(json.dumps(state, indent=1) + "\n")
    aside.chmod(0o644)
    aside.replace(paths.STATE)


def of_gpu(state: dict, index: int) -> dict:
    """Return what is set for one GPU, by its index on the server."""
    gpus = state.get("gpus", {})
    return {**gpus.get("*", {}), **gpus.get(str(index), {})}


def change_gpu(index: int, **values: object) -> None:
    """Set values of one GPU and keep the rest."""
    state = read()
    state.setdefault("gpus", {}).setdefault(str(index), {}).update(values)
    write(state)


def persistence_daemon_runs() -> bool:
    """Return whether nvidia-persistenced holds the GPUs with persistence mode on."""
    try:
        return (paths.PERSISTENCE / "daemon").read_text().strip() == "on"
    except OSError:
        return False
