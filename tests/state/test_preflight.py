"""Stage ``preflight``: what must be true of a host before a change stays true of a healthy one."""

from __future__ import annotations

import re
import time

from tests.state.target import Target
from torchrack.driver_names import parts
from torchrack.gpus import lookup

SUPPORTED = {"ubuntu 22.04", "ubuntu 24.04", "ubuntu 26.04", "debian 12", "debian 13"}
FREE_MIB = {"/boot": 200, "/var/lib/docker": 1024}
"""Room for the next initramfs, and for a container to write at all."""
DRIVER = "nvidia|^cuda-drivers|^lib(cuda|nvcuvid)"
LIBRARIES = "/usr/lib/*-linux-gnu/libcuda.so.1 /usr/lib/*-linux-gnu/libnvidia-ml.so.1"

PROBES = {
    "preflight_os": '. /etc/os-release; echo "$ID $VERSION_ID"; dpkg --print-architecture',
    "preflight_gpus": (
        "for d in /sys/bus/pci/devices/*; do grep -qx 0x10de $d/vendor && "
        "grep -q ^0x03 $d/class && cat $d/device; done; true"
    ),
    "preflight_apt": "apt-get -q -o Debug::NoLocking=true check 2>&1",
    "preflight_dpkg": "dpkg --audit",
    "preflight_sources": "apt-get update --print-uris -o Debug::NoLocking=true",
    "preflight_driver": (
        "LC_ALL=C apt-cache policy $(dpkg-query -W -f='${db:Status-Status} ${Package}\\n' | "
        "awk '$1 == \"installed\" {print $2}' | grep -E '" + DRIVER + "')"
    ),
    "preflight_files": (
        f"for f in /usr/bin/nvidia-smi /usr/bin/nvidia-uninstall {LIBRARIES}; do "
        '[ -e "$f" ] || continue; dpkg -S "$(readlink -f "$f")" >/dev/null 2>&1 || echo "$f"; done'
    ),
    "preflight_docker": (
        "ls /var/lib/snapd/snaps/docker_*.snap /usr/local/bin/dockerd 2>/dev/null; "
        "dpkg-query -W -f='${db:Status-Status} ${Package}\\n' docker.io docker-ce podman-docker "
        "2>/dev/null | awk '$1 == \"installed\" {print $2}'"
    ),
    "preflight_disk": "\n".join(
        f"echo {path} $(df -PBM -- {path} | awk 'NR == 2 {{print $4 + 0}}')" for path in FREE_MIB
    ),
}


def test_operating_system_is_supported(target: Target) -> None:
    system, architecture = target.probe("preflight_os").lines
    assert system in SUPPORTED, f"{system}: needed one of {sorted(SUPPORTED)}"
    assert architecture in {"amd64", "arm64"}


def test_gpus_are_known(target: Target) -> None:
    devices = target.probe("preflight_gpus").lines
    assert devices, "no NVIDIA GPU on the PCI bus"
    unknown = [device for device in devices if lookup(device.removeprefix("0x")) is None]
    assert not unknown, f"device ids that torchrack/gpus.yml does not name: {unknown}"


def test_clock_is_near_ours(target: Target) -> None:
    asked = time.time()
    answer = target.run("date +%s.%N")
    answered = time.time()
    limit = target.settings.preflight.max_clock_offset
    assert answer.rc == 0, answer.stderr
    offset = float(answer.stdout) - (asked + answered) / 2
    assert abs(offset) <= limit + (answered - asked) / 2, f"{offset:.1f} s off, allowed {limit} s"


def test_apt_works(target: Target) -> None:
    check = target.probe("preflight_apt")
    assert check.rc == 0, check.stdout


def test_no_package_is_half_installed(target: Target) -> None:
    audit = target.probe("preflight_dpkg")
    assert (audit.rc, audit.stdout) == (0, "")


def test_driver_has_one_source(target: Target) -> None:
    answer = target.probe("preflight_sources")
    assert answer.rc == 0, answer.stderr
    uris = {line.split("'")[1] for line in answer.lines if line.startswith("'")}
    carriers = {u for u in uris if re.search("/graphics-drivers/|/compute/cuda/repos/", u)}
    foreign = {u for u in carriers if not u.startswith(target.settings.driver.repository)}
    assert carriers, "no apt source carries the driver"
    assert not foreign, f"needed {target.settings.driver.repository} alone, found {foreign}"


def test_driver_packages_come_from_it(target: Target) -> None:
    answer = target.probe("preflight_driver")
    assert answer.rc == 0, answer.stderr
    policies = dict(re.findall(r"(?m)^(\S+):\n((?: .*\n?)*)", answer.stdout))
    versions = {n: re.findall(r"(?m)^  Installed: (\S+)", text)[0] for n, text in policies.items()}
    driver = parts({name: (version, "") for name, version in versions.items()})
    assert driver, "no package of the driver is installed"
    for package in map(policies.get, driver):
        installed = re.search(r"(?ms)^ \*\*\* .*?(?=^     \S|\Z)", package)
        assert installed, package
        assert f" {target.settings.driver.repository}" in installed[0], package


def test_driver_belongs_to_packages(target: Target) -> None:
    answer = target.probe("preflight_files")
    assert (answer.rc, answer.lines) == (0, []), "files of a driver that no package owns"


def test_there_is_one_docker(target: Target) -> None:
    wanted = "docker.io" if target.settings.docker.source == "distro" else "docker-ce"
    assert target.probe("preflight_docker").lines == [wanted]


def test_disks_have_room(target: Target) -> None:
    free = dict(line.split() for line in target.probe("preflight_disk").lines)
    short = {path: f"{free.get(path)} MiB" for path, need in FREE_MIB.items() if _less(free, path)}
    assert not short, f"needed at least {FREE_MIB} MiB free, found {short}"


def _less(free: dict[str, str], path: str) -> bool:
    return int(free.get(path, 0)) < FREE_MIB[path]
