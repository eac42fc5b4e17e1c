"""The lab's simulated servers: reads the state that ``python -m lab up`` wrote."""

import json
import os
import sys
from pathlib import Path

from torchrack.inventory import check_fleet, host
from torchrack.settings import Base, Docker, Driver, Images, Port, Registry, Toolkit, Workloads
from torchrack.settings import Mount, Preflight, Workload, file

_root = Path(__file__).resolve().parents[1]
_state_file = Path(os.environ.get("TORCHRACK_LAB", _root / ".lab")) / "state.json"
if not _state_file.is_file():
    sys.exit(f"There is no lab in {_state_file.parent}: start one with make lab.")
_lab = json.loads(_state_file.read_text())
_mirror, _registry, _images = _lab["mirror"], _lab["registry"], _lab["images"]


def _host(name, entry):
    return host(
        name,
        address=entry["address"],
        port=entry["port"],
        user=entry["user"],
        key=entry["key_file"],
        known_hosts=_lab["known_hosts"],
        preflight=Preflight(min_free_disk="8GiB"),
        driver=Driver(
            repository=_mirror["uri"],
            key_file=_mirror["key_file"],
            key_fingerprint=_mirror["key_fingerprint"],
        ),
    )


lab_hosts = [_host(name, entry) for name, entry in _lab["hosts"].items()]

check_fleet(__file__, globals())
