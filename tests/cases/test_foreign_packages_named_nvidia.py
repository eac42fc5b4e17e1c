"""A package that is called after NVIDIA depends on the old driver.

Exporters, codecs and tools with nvidia in their names depend on one branch of the driver's
libraries. An upgrade of the driver to another branch removed them without a word, because their
names looked like the driver's.

Reference: https://github.com/Xpra-org/xpra/issues/4750
Reference: https://github.com/linuxmint/mintdrivers/pull/56
Kind: name patterns decide what is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.harness import Lab
from torchrack.apt.refusals import Allowed, refusals
from torchrack.apt.transaction import Plan, Step
from torchrack.driver import driver_packages
from torchrack.driver_names import is_pin
from torchrack.facts.packages import Package

HOST = "gpu01"
THEIRS = {
    "acme-nvidia-exporter": ("1.4.2", "acme-nvidia-exporter"),
    "boinc-client-nvidia-cuda": ("7.24.1+dfsg-4", "boinc"),
    "cuda-compat-13-0": ("580.95.05-1", "cuda-compat-13-0"),
    "hashcat-nvidia": ("6.2.6+ds2-1", "hashcat"),
    "libcudart12": ("12.4.99~12.4.0-2", "nvidia-cuda-toolkit"),
    "libnvidia-container1": ("1.19.1-1", "libnvidia-container"),
    "libnvidia-egl-wayland1": ("1:1.1.13-1", "egl-wayland"),
    "libnvidia-ml-dev": ("12.4.99~12.4.0-2", "nvidia-cuda-toolkit"),
    "node-nvidia-exporter": ("580.1.0-1", "node-nvidia-exporter"),  # its own idea of a version
    "nvidia-container-runtime": ("3.13.0-1", "nvidia-container-runtime"),
    "nvidia-cuda-toolkit": ("12.4.131~12.4.1-2", "nvidia-cuda-toolkit"),
    "nvidia-dkms-helper": ("580.159.04-1", "acme"),
    "nvidia-docker2": ("2.13.0-1", "nvidia-docker2"),
    "nvidia-driver-580-acme": ("580.159.04-1ubuntu1", "acme"),
    "nvidia-fs-dkms": ("2.24.2-1", "nvidia-fs"),
    "nvidia-gds": ("13.0.2-1", "nvidia-gds"),
    "nvidia-prime": ("0.8.17.2", "nvidia-prime"),
    "nvidia-settings": ("510.47.03-0ubuntu4", "nvidia-settings"),  # the distribution's
    "xpra-codecs-nvidia": ("6.4-r0-1", "xpra-codecs-nvidia"),
}
OURS = {
    "cuda-drivers-580": ("580.159.04-1ubuntu1", "cuda-drivers"),
    "libcuda1": ("580.159.04-1", "nvidia-graphics-drivers"),
    "libnvidia-compute-580": ("580.159.04-1ubuntu1", "nvidia-graphics-drivers-580"),
    "libnvidia-new-in-620": ("620.21.02-1", "nvidia-graphics-drivers"),  # in no table of ours
    "nvidia-dkms-580-server-open": ("580.159.03-0ubuntu1", "nvidia-graphics-drivers-580-server"),
    "nvidia-driver-570": ("580.159.04-0ubuntu1", "nvidia-graphics-drivers-580"),  # transitional
    "nvidia-fabricmanager-570": ("570.211.01-1", "fabricmanager"),
    "nvidia-firmware-580-580.159.04": ("580.159.04-1ubuntu1", "nvidia-graphics-drivers-580"),
    "nvidia-persistenced": ("1:590.48.01-1", "nvidia-persistenced"),
    "nvidia-xconfig": ("580.159.04-1ubuntu1", "nvidia-xconfig"),
}
PACKAGES = {
    name: Package(version, True, False, source)
    for name, (version, source) in {**THEIRS, **OURS}.items()
}
PLAN = Plan(tuple(Step("remove", name, package.version, "") for name, package in PACKAGES.items()))


def test_the_driver_is_known_by_name_or_source_and_by_version() -> None:
    assert sorted(driver_packages(PACKAGES)) == sorted(OURS)


def test_all_others_are_refused_and_named() -> None:
    allowed = Allowed({}, driver="590.48.01", parts=frozenset(driver_packages(PACKAGES)))
    said = [str(one) for one in refusals(PLAN, allowed)]
    expected = [f"removal: would remove {n} {v[0]}, which is not ours" for n, v in THEIRS.items()]
    assert said == expected


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_stage_removes_any(package: str) -> None:
    plan = Plan((Step("remove", package, PACKAGES[package].version, ""),))
    assert refusals(plan, Allowed({"docker-ce": None})) != []


@pytest.mark.parametrize(
    ("name", "pin"),
    [
        ("nvidia-driver-pinning-580.159.04", True),
        ("nvidia-driver-pinning-580", False),  # of a branch, which we never install
        ("nvidia-driver-pinning-580.159.04-acme", False),
    ],
)
def test_a_pin_of_ours_has_a_full_version(name: str, pin: bool) -> None:
    assert is_pin(name, full=True) == pin


@pytest.fixture
def exporter(lab: Lab) -> Iterator[Lab]:
    """A server with somebody's package that needs the libraries of this branch."""
    control = (
        "Package: acme-nvidia-exporter\\nVersion: 1.4.2\\nArchitecture: all\\n"
        "Maintainer: A <a@example.org>\\nDepends: libnvidia-ml1 (<< 581)\\nDescription: Exporter\\n"
    )
    lab.ssh(
        HOST,
        "d=$(mktemp -d) && mkdir $d/p $d/p/DEBIAN && chmod 755 $d/p/DEBIAN && "
        f"printf '{control}' > $d/p/DEBIAN/control && dpkg-deb -b $d/p $d/p.deb >/dev/null && "
        "dpkg -i $d/p.deb && rm -r $d",
    )
    yield lab
    lab.ssh(HOST, "dpkg -P acme-nvidia-exporter; apt-get -q update")


def test_a_change_of_the_branch_is_refused_on_a_server(exporter: Lab, tmp_path: Path) -> None:
    inventory = exporter.variant(tmp_path, "")
    lock = tmp_path / "lab.lock.yml"
    lock.write_text(lock.read_text().replace("580.159.04", "590.48.01"))
    state = "dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\\n'"
    before = exporter.ssh(HOST, state).stdout
    done = exporter.deploy(
        *("--data", "only=driver", "--limit", HOST), inventory=inventory, check=False
    )
    assert done.rc != 0, done.output
    assert "removal: would remove acme-nvidia-exporter 1.4.2, which is not ours" in done.text
    assert exporter.ssh(HOST, state).stdout == before
