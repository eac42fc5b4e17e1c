"""apt plans against the built mirror as against NVIDIA's: with pins, without, into the traps."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from lab.nvidia import mirror
from lab.paths import cache_dir

# Stand for the distribution's own packages.
INSTALLED = ("python3", "kmod", "passwd", "libseccomp2")
STATUS = """\
Package: {name}
Status: install ok installed
Version: 99
Architecture: amd64
Maintainer: Nobody <nobody@localhost>
Description: installed

"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> mirror.MirrorFiles:
    return mirror.build(tmp_path_factory.mktemp("mirror"), cache_dir())


class Apt:
    """An apt of its own, with one of the mirror's repositories as its only source."""

    def __init__(self, home: Path, built: mirror.MirrorFiles, path: str) -> None:
        self._home = home
        self._repository = built.root / path
        for name in ("etc/preferences.d", "state/lists/partial", "cache/archives/partial"):
            (home / name).mkdir(parents=True)
        source = f"deb [signed-by={built.key_file}] file:{self._repository}/ /\n"
        (home / "etc/sources.list").write_text(source)
        status = "".join(STATUS.format(name=name) for name in INSTALLED)
        (home / "state/status").write_text(status)
        self._get("update")

    def _get(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        settings = {
            "Dir": str(self._home),
            "Dir::Etc": "etc",
            "Dir::Etc::parts": "-",
            "Dir::State": "state",
            "Dir::State::status": str(self._home / "state/status"),
            "Dir::Cache": "cache",
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "",
            "APT::Install-Recommends": "false",
            "Acquire::Languages": "none",
        }
        options = [part for item in settings.items() for part in ("-o", "=".join(item))]
        return subprocess.run(
            ["apt-get", *options, *arguments], capture_output=True, text=True, check=False
        )

    def pin(self, what: str) -> None:
        """Put the preferences of a pinning package in place, as its installation does."""
        package = next(self._repository.glob(f"nvidia-driver-pinning-{what}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, self._home / "unpacked"], check=True)
        for path in (self._home / "unpacked/etc/apt/preferences.d").iterdir():
            path.rename(self._home / "etc/preferences.d" / path.name)

    def plan(self, *packages: str) -> dict[str, str]:
        """Return the versions that an installation would bring; nothing if it is refused."""
        done = self._get("-s", "install", *packages)
        return dict(re.findall(r"(?m)^Inst (\S+) \((\S+) ", done.stdout))


@pytest.fixture
def debian(tmp_path: Path, built: mirror.MirrorFiles) -> Apt:
    return Apt(tmp_path / "debian", built, "compute/cuda/repos/debian13/x86_64")


@pytest.fixture
def ubuntu(tmp_path: Path, built: mirror.MirrorFiles) -> Apt:
    return Apt(tmp_path / "ubuntu", built, "compute/cuda/repos/ubuntu2404/x86_64")


def test_without_a_pin_the_branch_jumps_on_debian(debian: Apt) -> None:
    plan = debian.plan("nvidia-open-580")

    assert plan["nvidia-open-580"] == "580.159.04-1"
    assert plan["libcuda1"] == plan["nvidia-kernel-open-dkms"] == "595.71.05-1"


def test_without_a_pin_the_branch_jumps_on_ubuntu(ubuntu: Apt) -> None:
    assert ubuntu.plan("nvidia-open")["libnvidia-compute"] == "595.71.05-1ubuntu1"


def test_a_branchs_pin_keeps_debian_on_it(debian: Apt) -> None:
    debian.pin("580")

    plan = debian.plan("nvidia-open-580")

    assert {version for name, version in plan.items() if name != "dkms"} == {"580.159.04-1"}


def test_a_branchs_pin_does_not_give_an_older_version_of_it(debian: Apt) -> None:
    debian.pin("580")

    assert debian.plan("nvidia-driver-cuda=580.105.08-1") == {}


@pytest.mark.parametrize("flavour", ["nvidia-kernel-open-dkms", "nvidia-kernel-dkms"])
def test_a_versions_pin_gives_it_whole_on_debian(debian: Apt, flavour: str) -> None:
    debian.pin("580.105.08")

    plan = debian.plan("nvidia-driver-cuda", flavour, "nvidia-fabricmanager")

    assert {version for name, version in plan.items() if name != "dkms"} == {"580.105.08-1"}
    assert {"nvidia-kernel-dkms", "nvidia-kernel-open-dkms"} & set(plan) == {flavour}


@pytest.mark.parametrize("flavour", ["nvidia-dkms-580-open", "nvidia-dkms-580"])
def test_a_versions_pin_gives_it_whole_on_ubuntu(ubuntu: Apt, flavour: str) -> None:
    ubuntu.pin("580.105.08")

    plan = ubuntu.plan("libnvidia-compute-580", flavour, "nvidia-fabricmanager")

    versions = {version for name, version in plan.items() if name != "dkms"}
    assert versions == {"580.105.08-0ubuntu1", "580.105.08-1"}
    assert plan["nvidia-fabricmanager"] == "580.105.08-1"


def test_the_flavours_exclude_each_other(ubuntu: Apt, debian: Apt) -> None:
    assert ubuntu.plan("nvidia-dkms-580", "nvidia-dkms-580-open") == {}
    assert debian.plan("nvidia-kernel-dkms", "nvidia-kernel-open-dkms") == {}


def test_compute_only_brings_no_display(debian: Apt) -> None:
    debian.pin("580")

    plan = debian.plan("nvidia-driver-cuda", "nvidia-kernel-open-dkms")

    assert "xserver-xorg-video-nvidia" not in plan
    assert {"libcuda1", "libnvidia-ml1", "nvidia-persistenced", "nvidia-modprobe"} <= set(plan)


def test_a_virtual_name_has_no_version(ubuntu: Apt) -> None:
    assert ubuntu.plan("nvidia-fabricmanager-580=580.159.04-1ubuntu1") == {}


def test_pinning_packages_exclude_each_other(debian: Apt) -> None:
    assert debian.plan("nvidia-driver-pinning-580", "nvidia-driver-pinning-590") == {}


def test_the_toolkits_four_packages_must_be_named_together(debian: Apt) -> None:
    names = (
        "nvidia-container-toolkit",
        "nvidia-container-toolkit-base",
        "libnvidia-container-tools",
        "libnvidia-container1",
    )

    assert debian.plan("nvidia-container-toolkit=1.18.1-1") == {}
    assert debian.plan(*(f"{name}=1.18.1-1" for name in names)) == dict.fromkeys(names, "1.18.1-1")
    # The library is required with >=, so that three named packages half-pin.
    assert debian.plan(*(f"{name}=1.18.1-1" for name in names[:3]))["libnvidia-container1"] == (
        "1.20.0-1"
    )


def test_ubuntus_archive_moves_an_old_branchs_name_to_a_newer(
    tmp_path: Path, built: mirror.MirrorFiles
) -> None:
    plan = Apt(tmp_path, built, "ubuntu-archive/noble").plan("nvidia-driver-570-server-open")

    assert plan["nvidia-driver-580-server-open"].startswith("580.")


def test_the_keyring_package_holds_the_key_that_signed(
    tmp_path: Path, built: mirror.MirrorFiles
) -> None:
    repository = built.root / "compute/cuda/repos/debian13/x86_64"
    package = repository / "cuda-keyring_1.1-1_all.deb"
    subprocess.run(["dpkg-deb", "-x", package, tmp_path], check=True)
    keyring = tmp_path / "usr/share/keyrings/cuda-archive-keyring.gpg"

    checked = subprocess.run(
        ["gpgv", "--keyring", keyring, repository / "InRelease"], capture_output=True, check=False
    )

    assert checked.returncode == 0, checked.stderr


def test_a_second_build_changes_nothing(tmp_path: Path, built: mirror.MirrorFiles) -> None:
    again = mirror.build(tmp_path, cache_dir())

    release = "compute/cuda/repos/debian13/x86_64/InRelease"
    assert again.key_fingerprint == built.key_fingerprint
    assert (again.root / release).samefile(built.root / release) or (
        (again.root / release).read_bytes() == (built.root / release).read_bytes()
    )
