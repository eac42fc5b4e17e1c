"""Where things are on a server. For tests, NVIDIA_LAB_ROOT puts another directory in front."""

import os
import platform
from pathlib import Path

ROOT = Path(os.environ.get("NVIDIA_LAB_ROOT", "/"))

# Lives as long as a loaded module would: /run is empty after a boot.
RUN = ROOT / "run/nvidia-lab"
STATE = RUN / "state.json"
PERSISTENCE = RUN / "persistence"
# Bound over /proc/driver; a container whose /proc has it not finds it here.
KERNEL = RUN / "driver"
# Read when the module is loaded: faults that outlive a boot.
LASTING_STATE = ROOT / "var/lib/nvidia-lab/state.json"
PROC_DRIVER = ROOT / "proc/driver"
DEV = ROOT / "dev"
PCI = ROOT / "sys/bus/pci/devices"
LIBRARIES = ROOT / "usr/lib/x86_64-linux-gnu"
MODULES = ROOT / "lib/modules" / platform.release()


def proc_nvidia() -> Path:
    """Return the directory that describes the loaded module; it need not exist."""
    proc = PROC_DRIVER / "nvidia"
    return proc if proc.exists() else KERNEL / "nvidia"
