"""Initialise as NVML does: find the library, the module, the device nodes; and tell why not."""

import os
from dataclasses import dataclass

from gpus import driver, models, paths, state

NO_LIBRARY = (
    "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the "
    "NVIDIA Display Driver is properly installed and present in your system.\n"
    "Please also try adding directory that contains libnvidia-ml.so to your system PATH."
)
NOT_LOADED = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that "
    "the latest NVIDIA driver is installed and running.\n"
)
# Words and exit status of nvmlInit's errors, as nvidia-smi 550 was seen to print them.
INIT_FAULTS = {
    "no-permission": (4, "Failed to initialize NVML: Insufficient Permissions"),
    "gpu-lost": (15, "Failed to initialize NVML: GPU is lost"),
    "unknown-error": (255, "Failed to initialize NVML: Unknown Error"),
}


class Stop(Exception):
    """End the program with this status after this text, on stdout as all that nvidia-smi says."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Gpu:
    """A GPU that this program may use; `index` counts those, `device.minor` those of the server."""

    index: int
    device: driver.Device
    model: models.Model
    set: dict

    @property
    def lost(self) -> bool:
        """Whether the GPU has fallen off the bus."""
        return bool(self.set.get("lost"))

    @property
    def persistence(self) -> bool:
        """Whether persistence mode is on, by -pm or by the daemon."""
        return bool(self.set.get("persistence", state.persistence_daemon_runs()))

    @property
    def mig(self) -> bool:
        """Whether MIG mode is on."""
        return self.model.mig and bool(self.set.get("mig"))

    @property
    def serial(self) -> str | None:
        """The board's serial number; consumer cards have none."""
        if not self.model.serial:
            return None
        return f"165{int(self.device.uuid[-10:], 16) % 10**10:010}"


@dataclass(frozen=True)
class Nvml:
    """A successful initialisation: the versions, and the GPUs that were found."""

    version: str
    gpus: list[Gpu]
    processes: list[dict]

    @property
    def branch(self) -> int:
        """The driver's branch, which decides the forms of the output."""
        return int(self.version.partition(".")[0])

    @property
    def library(self) -> str:
        """The library's version as NVML says it, of two parts."""
        return short(self.version)

    @property
    def cuda(self) -> str:
        """The newest CUDA that the driver supports."""
        return models.cuda_version(self.version)


def short(version: str) -> str:
    """Return the first two parts of a version, which is how NVML gives its own."""
    return ".".join(version.split(".")[:2])


def _may_open(name: str) -> bool:
    """Return whether a device node can be used; False if there is none.

    Raises PermissionError when it is there and refused. No driver stands behind the node, so that
    the kernel's own answer to a permitted open is ENXIO; a device cgroup without the node answers
    EPERM, as for a real GPU.
    """
    try:
        os.close(os.open(paths.DEV / name, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return False
    except PermissionError:
        raise
    except OSError:
        return True
    return True


def initialise() -> Nvml:
    """Return what NVML sees. Raises Stop with the genuine program's words and status."""
    library = driver.library_version()
    if library is None:
        raise Stop(12, NO_LIBRARY)
    loaded = driver.loaded_version()
    if loaded is None:
        raise Stop(9, NOT_LOADED)
    if library != loaded:
        raise Stop(
            18,
            "Failed to initialize NVML: Driver/library version mismatch\n"
            f"NVML library version: {short(library)}",
        )
    current = state.read()
    if current.get("init") in INIT_FAULTS:
        raise Stop(*INIT_FAULTS[current["init"]])
    try:
        if not _may_open("nvidiactl"):
            raise Stop(9, NOT_LOADED)
        devices = [device for device in driver.devices() if _may_open(f"nvidia{device.minor}")]
    except PermissionError as error:
        kind = "no-permission" if error.errno == 13 else "unknown-error"
        raise Stop(*INIT_FAULTS[kind]) from error
    gpus = [
        Gpu(index, device, models.by_name(device.name), state.of_gpu(current, device.minor))
        for index, device in enumerate(devices)
    ]
    return Nvml(loaded, gpus, current.get("processes", []))
