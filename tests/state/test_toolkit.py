"""The container toolkit at one version, and a CDI spec that fits the loaded driver."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.state.target import Target
from torchrack.apt.openpgp import keys

PACKAGES = {
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
}

PROBES = {
    "toolkit_packages": "dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\\n' "
    + " ".join(sorted(PACKAGES)),
    "toolkit_units": "systemctl is-enabled nvidia-cdi-refresh.service nvidia-cdi-refresh.path; "
    "systemctl is-active nvidia-cdi-refresh.path",
    "toolkit_spec": "cat /var/run/cdi/nvidia.yaml",
    "toolkit_missing": "grep -oE '(hostPath|path): .*' /var/run/cdi/nvidia.yaml | cut -d' ' -f2 "
    '| sort -u | while read -r p; do [ -e "$p" ] || echo "$p"; done',
    "toolkit_devices": "timeout 30 nvidia-ctk cdi list",
    "toolkit_gpus": "timeout 30 nvidia-smi -L",
    "toolkit_driver": "cat /proc/driver/nvidia/version",
    "toolkit_sources": "grep -lE '^[^#]*(/libnvidia-container/|/nvidia-docker/)' "
    "/etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources "
    "2>/dev/null",
    "toolkit_key": "cat /etc/apt/keyrings/torchrack-nvidia-toolkit.asc",
}


def packages(target: Target) -> dict[str, list[str]]:
    lines = (line.split() for line in target.probe("toolkit_packages").lines)
    return {name: rest for name, *rest in lines}


def spec(target: Target) -> dict[str, Any]:
    answer = target.probe("toolkit_spec")
    assert answer.rc == 0, f"no CDI spec: {answer.stderr}"
    return yaml.safe_load(answer.stdout)


def test_four_packages_at_one_version(target: Target) -> None:
    wanted = dict.fromkeys(PACKAGES, target.settings.toolkit.version)
    assert {name: version for name, (version, _) in packages(target).items()} == wanted


def test_packages_are_installed_and_held(target: Target) -> None:
    wanted = dict.fromkeys(PACKAGES, "hi")
    assert {name: status for name, (_, status) in packages(target).items()} == wanted


def test_refresh_units(target: Target) -> None:
    assert target.probe("toolkit_units").lines == ["enabled", "enabled", "active"]


def test_spec_is_of_the_loaded_driver(target: Target) -> None:
    mounts = [mount["hostPath"] for mount in spec(target)["containerEdits"]["mounts"]]
    found = {m[1] for path in mounts if (m := re.search(r"\.so\.(\d+\.\d+(\.\d+)?)$", path))}
    loaded = re.search(r"  (\d+\.\d+(\.\d+)?)  ", target.probe("toolkit_driver").stdout)
    assert loaded, "no NVIDIA module is loaded"
    assert found == {loaded[1]}, f"the spec has libraries of {found}, {loaded[1]} is loaded"


def test_paths_of_the_spec_exist(target: Target) -> None:
    assert spec(target)["devices"]
    assert target.probe("toolkit_missing").lines == []


def test_every_gpu_is_a_cdi_device(target: Target) -> None:
    uuids = re.findall(r"^GPU \d+: .*\(UUID: (.+)\)$", target.probe("toolkit_gpus").stdout, re.M)
    assert uuids, "nvidia-smi lists no GPU"
    wanted = {f"nvidia.com/gpu={name}" for name in ("all", *uuids)}
    found = set(target.probe("toolkit_devices").lines)
    assert wanted <= found, f"missing {sorted(wanted - found)} among {sorted(found)}"


def test_one_source(target: Target) -> None:
    assert target.probe("toolkit_sources").lines == [
        "/etc/apt/sources.list.d/torchrack-nvidia-toolkit.sources"
    ]


def test_source_trusts_the_pinned_key_alone(target: Target) -> None:
    found = keys(target.probe("toolkit_key").stdout.encode())
    assert list(found) == [target.settings.toolkit.key_fingerprint]
