"""A workload as the lab declares it, and the container that Docker 26.1 made of it."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

from torchrack.facts.containers import Found, Unit, Volume
from torchrack.facts.containers import Path as FoundPath
from torchrack.settings import Mount, Port, Workload
from torchrack.workloads import workload as names
from torchrack.workloads.declare import declare
from torchrack.workloads.plan import Declared

INSPECT = json.loads(
    (Path(__file__).parent / "fixtures/docker/inspect-notebook-26.1.json").read_text()
)
DIGEST = "sha256:2b2f0999f07e348c8001f92f25661b462a3394be8b5c21af31e19b3d557dc44e"
REFERENCE = f"registry.example:5000/torchrack/pytorch:2.13.0-cpu-py311@{DIGEST}"
TINI = ("/usr/bin/tini", "-g", "--")
STARTED = 1795262347.596639698  # State.StartedAt of the recorded container
TOKEN_PATH = "/etc/torchrack/workloads/notebook/jupyter_token"  # noqa: S105 - a path
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIImJQO6ZbMLeSP8GaHqaFl3F4MJaKWvBkDZTsGfwr+FM me"

NOTEBOOK: dict[str, Any] = {
    "name": "notebook",
    "kind": "jupyter",
    "image": "pytorch",
    "ports": [Port(container=8888, host=8888)],
    "mounts": [Mount(source="notebook-home", target="/home/torch")],
    "memory": "2GiB",
    "cpus": 1,
    "shm_size": "256MiB",
    "memlock": "8MiB",
    "nofile": 16384,
}
JOB = NOTEBOOK | {
    "kind": "container",
    "command": ["train", "--epochs", "3"],
    "restart": "on-failure",
    "ports": [],
}


def unit_template(**values: Any) -> str:
    return f"[Service] {sorted(values)}\n"


def declared(fields: dict[str, Any] = NOTEBOOK, **changes: Any) -> Declared:
    return declare(Workload(**fields | changes), REFERENCE, TINI, unit_template, 60)


def container(wanted: Declared, **state: Any) -> dict[str, Any]:
    """The recorded container, as if it had been created from ``wanted``."""
    made: dict[str, Any] = copy.deepcopy(INSPECT)
    made["Config"]["Labels"][names.SPEC_LABEL] = wanted.spec.sha256()
    made["Config"]["Cmd"] = list(wanted.spec.command)
    made["HostConfig"]["PortBindings"] = {
        f"{p.container}/tcp": [{"HostIp": p.address, "HostPort": str(p.host)}]
        for p in wanted.spec.ports
    }
    made["State"] |= state
    return made


def found(wanted: Declared, **changes: Any) -> Found:
    """A host where all is as ``wanted``, but for ``changes`` of what was found."""
    name = wanted.workload.name
    digest = hashlib.sha256(wanted.unit_file.encode()).hexdigest()
    all_is_well: dict[str, Any] = {
        "containers": {name: container(wanted)},
        "networks": {"bridge": "", f"torchrack-{name}": name},
        "volumes": {"notebook-home": Volume(name, "1000:1000", False, "/volumes/notebook-home")},
        "entrypoints": {names.by_digest(REFERENCE): TINI},
        "units": {name: Unit("loaded", "active", "enabled", False)},
        "unit_files": frozenset({name}),
        "paths": {
            f"/etc/systemd/system/torchrack-{name}.service": FoundPath(
                "644", "0:0", STARTED - 9, 99, digest
            ),
            "/etc/torchrack/workloads/notebook": FoundPath("500", "1000:1000", 1.0, 4096, ""),
            TOKEN_PATH: FoundPath("400", "1000:1000", STARTED - 9, 65, "0" * 64),
        },
    }
    return Found(**all_is_well | changes)
