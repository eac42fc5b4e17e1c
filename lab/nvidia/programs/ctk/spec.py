"""The CDI specification that nvidia-ctk writes for the loaded driver."""

import os
import stat
from pathlib import Path

from gpus import driver, models, paths, state

from ctk.log import Failure, line

READ_ONLY = ["ro", "nosuid", "nodev", "rbind", "rprivate"]
SOCKET = ["nosuid", "nodev", "rbind", "rprivate", "noexec"]
HOOK = "/usr/bin/nvidia-cdi-hook"
LIBRARIES = "/usr/lib/x86_64-linux-gnu"
PROGRAMS = (
    "nvidia-cuda-mps-control",
    "nvidia-cuda-mps-server",
    "nvidia-debugdump",
    "nvidia-persistenced",
    "nvidia-smi",
)
CONTROL_NODES = ("nvidia-modeset", "nvidia-uvm", "nvidia-uvm-tools", "nvidiactl")
# The simulated hardware's state, for a container's nvidia-smi; a real spec has no such mount.
LAB_STATE = "/run/nvidia-lab"


def generate() -> dict:
    """Return the specification. Raises Failure with NVML's error where the driver does not work."""
    version = _initialise()
    devices = driver.devices()
    current = state.read()
    usable = [
        device
        for device in devices
        if not (models.by_name(device.name).mig and state.of_gpu(current, device.minor).get("mig"))
    ]
    if not usable:
        raise Failure(
            'invalid CDI Spec: failed add device "all": invalid device, empty device edits'
        )
    nodes = {device.minor: _node(f"nvidia{device.minor}") for device in usable}
    entries = [(str(device.minor), [nodes[device.minor]]) for device in usable]
    entries += [(device.uuid, [nodes[device.minor]]) for device in usable]
    entries += [("all", list(nodes.values()))]
    return {
        "cdiVersion": "0.5.0",
        "kind": "nvidia.com/gpu",
        "devices": [
            {"name": name, "containerEdits": {"deviceNodes": edits}} for name, edits in entries
        ],
        "containerEdits": {
            "env": [f"NVIDIA_CTK_LIBCUDA_DIR={LIBRARIES}", "NVIDIA_VISIBLE_DEVICES=void"],
            "deviceNodes": [_node(name) for name in CONTROL_NODES if (paths.DEV / name).exists()],
            "hooks": _hooks(version),
            "mounts": _mounts(version),
        },
    }


def _initialise() -> str:
    library, loaded = driver.library_version(), driver.loaded_version()
    if library is None:
        raise Failure("failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND")
    if loaded is None:
        raise Failure("failed to initialize NVML: ERROR_DRIVER_NOT_LOADED")
    if library != loaded:
        raise Failure("failed to initialize NVML: ERROR_LIB_RM_VERSION_MISMATCH")
    return loaded


def _node(name: str) -> dict:
    status = (paths.DEV / name).stat()
    node = {"path": f"/dev/{name}", "hostPath": f"/dev/{name}", "major": os.major(status.st_rdev)}
    if os.minor(status.st_rdev):
        node["minor"] = os.minor(status.st_rdev)
    # The spec gives the mode in decimal.
    return {**node, "fileMode": stat.S_IMODE(status.st_mode), "permissions": "rwm"}


def _driver_libraries(version: str) -> list[Path]:
    return sorted(paths.LIBRARIES.glob(f"lib*.so.{version}"))


def _hooks(version: str) -> list[dict]:
    links: list[str] = []
    for library in _driver_libraries(version):
        stem = library.name.partition(".so.")[0]
        for link in sorted(paths.LIBRARIES.glob(f"{stem}.so*")):
            if link.is_symlink():
                links += ["--link", f"{link.readlink()}::{LIBRARIES}/{link.name}"]
    calls = [
        ["create-symlinks", *links],
        ["enable-cuda-compat", f"--host-driver-version={version}"],
        ["update-ldcache", "--folder", LIBRARIES],
        ["disable-device-node-modification"],
        ["update-application-profile"],
    ]
    return [
        {
            "hookName": "createContainer",
            "path": HOOK,
            "args": ["nvidia-cdi-hook", *call],
            "env": ["NVIDIA_CTK_DEBUG=false"],
        }
        for call in calls
    ]


def _mount(path: str, options: list[str]) -> dict:
    return {"hostPath": path, "containerPath": path, "options": options}


def _mounts(version: str) -> list[dict]:
    mounts = []
    for socket in ("/run/nvidia-persistenced/socket", "/run/nvidia-fabricmanager/socket"):
        if (paths.ROOT / socket[1:]).exists():
            mounts.append(_mount(socket, SOCKET))
        else:
            line("warning", f"Could not locate {socket}: pattern {socket} not found")
    for name in PROGRAMS:
        if (paths.ROOT / "usr/bin" / name).exists():
            mounts.append(_mount(f"/usr/bin/{name}", READ_ONLY))
        else:
            line("warning", f"Could not locate {name}: pattern {name} not found")
    mounts += [
        _mount(f"{LIBRARIES}/{library.name}", READ_ONLY) for library in _driver_libraries(version)
    ]
    for firmware in sorted((paths.ROOT / f"lib/firmware/nvidia/{version}").glob("*.bin")):
        mounts.append(_mount(f"/lib/firmware/nvidia/{version}/{firmware.name}", READ_ONLY))
    mounts.append(_mount(LAB_STATE, READ_ONLY))
    return mounts
