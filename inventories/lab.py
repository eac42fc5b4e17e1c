"""The lab's simulated servers: reads the state that ``python -m lab up`` wrote."""

import json
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from torchrack.inventory import check_fleet, host, hosts_of
from torchrack.settings import (
    Base,
    Driver,
    Images,
    Mount,
    Port,
    Registry,
    Sshd,
    Toolkit,
    Workload,
    Workloads,
    file,
)

_root = Path(__file__).resolve().parents[1]
_folder = os.environ.get("TORCHRACK_LAB")
_state_file = Path(_folder or _root / ".lab") / "state.json"
# Several labs are several fleets: each keeps its lock with itself.
lock_file = Path(_folder) / "lab.lock.yml" if _folder else None
_hosts_file = _state_file.parent / "lab.hosts.yml"
if not _state_file.is_file():
    sys.exit(f"There is no lab in {_state_file.parent}: start one with make lab.")
_lab = json.loads(_state_file.read_text())
if "pytorch" not in _lab["images"]:
    sys.exit(f"The lab in {_state_file.parent} has no images: run python -m lab up.")
_public_key = Path(_lab["ssh_key"] + ".pub").read_text().strip()

_mirror = {
    "repository": _lab["mirror"]["uri"],
    "key_file": _lab["mirror"]["key_file"],
    "key_fingerprint": _lab["mirror"]["key_fingerprint"],
}
_base = Base(
    ca_certificates={"lab": _lab["ca_cert"]},
    authorized_keys=[_public_key],
    ntp_servers=[urlsplit(_lab["mirror"]["uri"]).hostname],
)
# Tests fail logins on purpose, which a recent sshd punishes with silence.
_sshd = Sshd(penalty_exempt=["10.86.0.0/16"])
_images = Images(
    registries=[
        Registry(
            address=_lab["registry"]["address"],
            ca_file=_lab["registry"]["ca_cert"],
            username=_lab["registry"]["pull_user"],
            password=file(_lab["registry"]["pull_password_file"]),
        )
    ],
    catalog={name: _lab["images"][name]["reference"] for name in ("pytorch", "tools")},
)

# A machine that runs the lab may itself be limited in locked memory and open files.
_small = {"memory": "2GiB", "cpus": 1, "shm_size": "256MiB", "memlock": "8MiB", "nofile": 16384}
_notebook = Workload(
    name="notebook",
    kind="jupyter",
    image="pytorch",
    ports=[Port(container=8888, host=8888)],
    mounts=[Mount(source="notebook-home", target="/home/torch")],
    **_small,
)
_shell = Workload(
    name="shell",
    kind="ssh",
    image="pytorch",
    gpus=["0"],
    ports=[Port(container=2222, host=2222)],
    mounts=[Mount(source="shell-home", target="/home/torch")],
    authorized_keys=[_public_key],
    **_small,
)
_training = Workload(
    name="training",
    kind="container",
    image="pytorch",
    command=["torchrack-train-step"],
    restart="on-failure",
    mounts=[Mount(source="/srv/datasets", target="/data", read_only=True)],
    **_small,
)
_containers = {"gpu01": [_notebook, _shell], "gpu02": [_notebook, _training]}


_everywhere = {
    "base": _base,
    "sshd": _sshd,
    "driver": Driver(**_mirror),
    "toolkit": Toolkit(**_mirror),
    "images": _images,
}


def _host(name, entry):
    return host(
        name,
        address=entry["address"],
        port=entry["port"],
        user=entry["user"],
        key=entry["key_file"],
        known_hosts=_lab["known_hosts"],
        workloads=Workloads(containers=_containers.get(name, [_notebook])),
        **_everywhere,
    )


# A server made to be onboarded is none of the fleet until it is; then its entry is the one written.
_onboarded = hosts_of(
    __file__,
    "lab_hosts",
    user="torchrack",
    key=_lab["ssh_key"],
    # Not the lab's own file, which is written anew with each server that comes or goes.
    known_hosts=_state_file.parent / "lab.known_hosts",
    hosts_file=_hosts_file,
    workloads=Workloads(containers=[_notebook]),
    **_everywhere,
)
_names = {name for name, _ in _onboarded}
lab_hosts = [
    *(
        _host(name, entry)
        for name, entry in _lab["hosts"].items()
        if not entry.get("newcomer") and name not in _names
    ),
    *_onboarded,
]

check_fleet(__file__, globals())
