"""How the container toolkit of a lab host is broken."""

from __future__ import annotations

from tests.lab.breakage import Break, dpkg_says

SPEC = "/var/run/cdi/nvidia.yaml"
KEY = "/etc/apt/keyrings/torchrack-nvidia-toolkit.asc"
SOURCE = "/etc/apt/sources.list.d/nvidia-docker.list"
_UNITS = "nvidia-cdi-refresh.service nvidia-cdi-refresh.path"
# Both have a limit of starts in some seconds.
REFRESH = f"systemctl reset-failed {_UNITS}; systemctl restart {_UNITS}"

BREAKS = [
    dpkg_says(
        "libnvidia-container1", "1.20.0-1", "test_toolkit.py::test_four_packages_at_one_version"
    ),
    Break(
        test="test_toolkit.py::test_packages_are_installed_and_held",
        harm="apt-mark unhold libnvidia-container1",
        undo="apt-mark hold libnvidia-container1",
    ),
    Break(
        test="test_toolkit.py::test_refresh_units",
        harm="systemctl disable nvidia-cdi-refresh.path",
        undo="systemctl enable nvidia-cdi-refresh.path",
    ),
    Break(
        test="test_toolkit.py::test_spec_is_of_the_loaded_driver",
        batch=4,
        harm=f"sed -Ei 's/(so\\.)[0-9]{{3}}\\.[0-9.]+/\\1570.211.01/' {SPEC}",
        undo="true",
        after=REFRESH,
    ),
    Break(
        test="test_toolkit.py::test_paths_of_the_spec_exist",
        harm=f"sed -i 's,hostPath: /usr/bin/nvidia-smi,hostPath: /usr/bin/nvidia-gone,' {SPEC}",
        undo="true",
        after=REFRESH,
    ),
    Break(
        test="test_toolkit.py::test_every_gpu_is_a_cdi_device",
        batch=5,
        harm=f"sed -i 's/name: all$/name: some/' {SPEC}",
        undo="true",
        after=REFRESH,
    ),
    Break(
        test="test_toolkit.py::test_one_source",
        harm=f"echo 'deb https://example.com/nvidia-docker/debian13/amd64 /' > {SOURCE}",
        undo=f"rm {SOURCE}",
    ),
    Break(
        test="test_toolkit.py::test_source_trusts_the_pinned_key_alone",
        harm=f"cp -a {KEY} /run/toolkit.key && : > {KEY}",
        undo=f"mv -f /run/toolkit.key {KEY}",
    ),
]
