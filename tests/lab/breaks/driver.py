"""How the driver of a lab host is broken."""

from __future__ import annotations

from tests.lab.breakage import Break, dpkg_says

VERSION = "/proc/driver/nvidia/version"
PIN = "/etc/apt/preferences.d/nvidia-driver-pinning"
KEY = "/etc/apt/keyrings/torchrack-nvidia-driver.asc"
STATE = "/run/nvidia-lab/state.json"
MODULE = "/lib/modules/$(uname -r)/updates/dkms/nvidia.ko"
SOURCE = "/etc/apt/sources.list.d/cuda.list"


def other_module(edit: str) -> str:
    """A script that shows the loaded module differently."""
    return f"sed '{edit}' {VERSION} > /run/version && mount --bind /run/version {VERSION}"


BREAKS = [
    dpkg_says(
        "nvidia-modprobe", "570.211.01-1", "test_driver.py::test_packages_are_at_the_version"
    ),
    Break(
        test="test_driver.py::test_packages_are_installed_and_held",
        harm="apt-mark unhold nvidia-modprobe",
        undo="apt-mark hold nvidia-modprobe",
    ),
    Break(
        test="test_driver.py::test_apt_is_pinned",
        harm=f"cp -a {PIN} /run/pin && sed -i 's/version .*/version 570.211.01-*/' {PIN}",
        undo=f"mv -f /run/pin {PIN}",
    ),
    Break(
        test="test_driver.py::test_module_is_loaded",
        batch=2,
        harm=other_module("s/  [0-9.]*  /  570.211.01  /"),
        undo=f"umount {VERSION}",
    ),
    Break(
        test="test_driver.py::test_module_has_the_flavour_of_the_gpus",
        batch=5,
        harm=other_module("s/UNIX Open Kernel Module for x86_64/UNIX x86_64 Kernel Module/"),
        undo=f"umount {VERSION}",
    ),
    Break(
        test="test_driver.py::test_every_kernel_would_load_the_version",
        harm=f'mount --bind /dev/null "{MODULE}"',
        undo=f'umount "{MODULE}"',
    ),
    Break(
        test="test_driver.py::test_every_gpu_answers",
        batch=5,
        harm=f"cp -a {STATE} /run/state 2>/dev/null; "
        f'echo \'{{"gpus": {{"1": {{"lost": true}}}}}}\' > {STATE}',
        undo=f"mv -f /run/state {STATE} 2>/dev/null || rm {STATE}",
    ),
    Break(
        test="test_driver.py::test_nvidia_smi_shows_the_version",
        batch=3,
        harm=other_module("s/  [0-9.]*  /  570.211.01  /"),
        undo=f"umount {VERSION}",
    ),
    Break(
        test="test_driver.py::test_persistence_mode",
        harm="nvidia-smi -pm 0",
        undo="nvidia-smi -pm 1",
    ),
    Break(
        test="test_driver.py::test_persistence_daemon",
        batch=4,
        harm="systemctl stop nvidia-persistenced",
        undo="systemctl start nvidia-persistenced",
    ),
    Break(
        test="test_driver.py::test_fabric_manager_runs_where_nvswitches_are",
        harm="systemd-run --quiet --unit=nvidia-fabricmanager sleep infinity",
        undo="systemctl stop nvidia-fabricmanager",
    ),
    Break(
        test="test_driver.py::test_one_source",
        harm=f"echo 'deb https://example.com/compute/cuda/repos/debian13/x86_64/ /' > {SOURCE}",
        undo=f"rm {SOURCE}",
    ),
    Break(
        test="test_driver.py::test_source_trusts_the_pinned_key_alone",
        harm=f"cp -a {KEY} /run/driver.key && : > {KEY}",
        undo=f"mv -f /run/driver.key {KEY}",
    ),
]
