"""Which driver, from where, and what apt may do for it."""

from __future__ import annotations

import pytest

from torchrack.driver import (
    Choice,
    Module,
    choose,
    driver_packages,
    every_package,
    lacking,
    read_loaded,
    read_modinfo,
    repository,
)
from torchrack.errors import HostError
from torchrack.facts.packages import Package
from torchrack.facts.survey import PciFunction, Survey
from torchrack.settings.driver import Driver

H200, RTX4090, V100, B200 = "2335", "2684", "1db5", "2901"
OPEN = Module("580.159.04", "open")
NVSWITCH = PciFunction("0000:05:00.0", "22a3", "068000")


def machine(
    *devices: str, os: str = "debian", version: str = "13", architecture: str = "amd64"
) -> Survey:
    gpus = [PciFunction(f"0000:{n:02x}:00.0", d, "030200") for n, d in enumerate(devices, 1)]
    return Survey(os, version, "x", architecture, "6.1", "admin", tuple(gpus))


@pytest.mark.parametrize(
    ("os", "version", "settings", "packages"),
    [
        (
            "debian",
            "13",
            Driver(version="580.159.04"),
            ("nvidia-driver-cuda", "nvidia-kernel-open-dkms", "nvidia-persistenced"),
        ),
        (
            "ubuntu",
            "24.04",
            Driver(version="580.159.04"),
            ("libnvidia-compute-580", "nvidia-dkms-580-open", "nvidia-persistenced"),
        ),
        (
            "ubuntu",
            "22.04",
            Driver(version="590.48.01"),
            ("libnvidia-compute", "nvidia-dkms-open", "nvidia-persistenced"),
        ),
        (
            "ubuntu",
            "24.04",
            Driver(version="580.159.04", flavour="proprietary"),
            ("libnvidia-compute-580", "nvidia-dkms-580", "nvidia-persistenced"),
        ),
        (
            "ubuntu",
            "24.04",
            Driver(version="580.159.04", components="full"),
            ("nvidia-driver-580-open", "nvidia-persistenced"),
        ),
    ],
)
def test_package_names(os: str, version: str, settings: Driver, packages: tuple[str, ...]) -> None:
    choice = choose(settings, machine(H200, H200, os=os, version=version), host="gpu01")
    assert choice.packages == packages
    assert choice.pinning == f"nvidia-driver-pinning-{settings.version}"


@pytest.mark.parametrize(
    ("os", "flavour", "name"),
    [
        ("debian", "open", "nvidia-kernel-dkms"),
        ("debian", "proprietary", "nvidia-kernel-open-dkms"),
        ("ubuntu", "open", "nvidia-kernel-source-580"),
        ("ubuntu", "proprietary", "nvidia-dkms-580-open"),
    ],
)
def test_the_other_flavour_is_unwanted(os: str, flavour: str, name: str) -> None:
    choice = choose(
        Driver.model_validate({"version": "580.159.04", "flavour": flavour}),
        machine(H200, os=os),
        host="x",
    )
    assert name in choice.unwanted
    assert not set(choice.packages) & set(choice.unwanted)


@pytest.mark.parametrize(
    ("version", "package"),
    [
        ("570.211.01", "nvidia-fabricmanager-570"),
        ("580.159.04", "nvidia-fabricmanager"),
        ("590.48.01", "nvidia-fabricmanager"),
    ],
)
def test_fabric_manager_where_nvswitches_are(version: str, package: str) -> None:
    plain = machine(H200)
    switched = Survey(**{**plain.__dict__, "nvidia": (*plain.nvidia, NVSWITCH)})
    assert choose(Driver(version=version), switched, host="x").packages[-1] == package
    assert package not in choose(Driver(version=version), plain, host="x").packages


@pytest.mark.parametrize(
    ("device", "flavour"),
    [(H200, "open"), (RTX4090, "open"), (B200, "open"), (V100, "proprietary")],
)
def test_flavour_by_generation(device: str, flavour: str) -> None:
    assert choose(Driver(version="580.159.04"), machine(device), host="x").module.flavour == flavour


@pytest.mark.parametrize(
    ("survey", "settings", "message"),
    [
        (machine(), Driver(version="580.159.04"), "found none"),
        (machine(H200, "ffff"), Driver(version="580.159.04"), r"0000:02:00.0 \(10de:ffff\)"),
        (machine(V100), Driver(version="590.48.01"), "R580 is the last branch"),
        (
            machine(B200),
            Driver(version="580.159.04", flavour="proprietary"),
            "needs the open kernel modules",
        ),
    ],
)
def test_no_driver_for_these_gpus(survey: Survey, settings: Driver, message: str) -> None:
    with pytest.raises(HostError, match=message):
        choose(settings, survey, host="gpu01")


@pytest.mark.parametrize(
    ("survey", "path"),
    [
        (machine(os="ubuntu", version="24.04"), "ubuntu2404/x86_64/"),
        (machine(os="debian", version="12", architecture="arm64"), "debian12/sbsa/"),
    ],
)
def test_repository_layout(survey: Survey, path: str) -> None:
    declared = repository(Driver(version="580.159.04"), survey)
    assert declared.uri == f"https://developer.download.nvidia.com/compute/cuda/repos/{path}"
    assert declared.key_url == f"{declared.uri}3bf863cc.pub"
    assert declared.suite == "/"


PROPRIETARY_LINE = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024"
)
OPEN_LINE = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build  (dvs)"
)
OPEN_ARM_LINE = "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  590.48.01  Release Build"


@pytest.mark.parametrize(
    ("line", "module"),
    [
        (PROPRIETARY_LINE, Module("535.183.01", "proprietary")),
        (OPEN_LINE, OPEN),
        (OPEN_ARM_LINE, Module("590.48.01", "open")),
        ("", None),
    ],
)
def test_loaded_module(line: str, module: Module | None) -> None:
    assert read_loaded(line) == module


def test_module_on_disk() -> None:
    assert read_modinfo("580.159.04", "Dual MIT/GPL") == OPEN
    assert read_modinfo("580.159.04", "NVIDIA") == Module("580.159.04", "proprietary")
    assert read_modinfo("", "") is None


@pytest.mark.parametrize(
    ("on_disk", "images", "expected"),
    [
        ({"6.1": OPEN}, ["6.1"], []),
        ({"6.1": OPEN, "6.12": None}, ["6.1", "6.12"], ["6.12"]),
        ({"6.1": Module("580.105.08", "open")}, ["6.1"], ["6.1"]),
        ({"6.1": Module("580.159.04", "proprietary")}, ["6.1"], ["6.1"]),
        ({"6.1": None, "6.12": OPEN}, ["6.12"], []),  # the running kernel is no longer installed
        ({"6.1": None}, [], ["6.1"]),
    ],
)
def test_kernels_without_the_module(
    on_disk: dict[str, Module | None], images: list[str], expected: list[str]
) -> None:
    assert lacking(OPEN, on_disk, images) == expected


def test_what_is_part_of_a_driver() -> None:
    packages = {
        "libnvidia-compute-580": Package("580.159.04-1ubuntu1", True, False),
        "nvidia-persistenced": Package("1:590.48.01-1", True, False),
        "libnvidia-container1": Package("1.19.1-1", True, False),
        "nvidia-driver-pinning-580.159.04": Package("580.159.04-1", True, False),
        "libnvidia-egl-wayland1": Package("1:1.1.13-1", True, False),
        "nvidia-kernel-source-580": Package("580.105.08-0ubuntu1", False, False),  # unpacked
    }
    assert driver_packages(packages) == {
        "libnvidia-compute-580": "580.159.04",
        "nvidia-persistenced": "590.48.01",
        "nvidia-kernel-source-580": "580.105.08",
    }


def test_revisions_are_left_open_without_a_lock() -> None:
    choice = Choice(OPEN, "", (), exact={"nvidia-persistenced": "580.159.04-1"})
    assert choice.version("nvidia-persistenced") == "580.159.04-1"
    assert choice.version("libcuda1") == "580.159.04-*"
    assert choice.fits("libcuda1", "1:580.159.04-1ubuntu1")
    assert not choice.fits("libcuda1", "580.105.08-1")
    assert not choice.fits("nvidia-persistenced", "580.159.04-2")


def test_every_package_that_a_branch_could_need() -> None:
    names = every_package("ubuntu", [570, 590])
    assert {"nvidia-dkms-570-open", "nvidia-driver-570", "nvidia-fabricmanager-570"} <= set(names)
    assert {"nvidia-dkms-open", "nvidia-fabricmanager", "nvidia-persistenced"} <= set(names)
    assert len(names) == len(set(names))
