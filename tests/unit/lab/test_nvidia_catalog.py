"""What the mirror's repositories hold, as described."""

from __future__ import annotations

import re

import pytest

from lab.nvidia.catalog import Package, repositories

BY_PATH = {repository.path: repository.packages for repository in repositories()}
DEBIAN = "compute/cuda/repos/debian13/x86_64"
UBUNTU = "compute/cuda/repos/ubuntu2404/x86_64"
TOOLKIT = "libnvidia-container/stable/deb/amd64"
LATER_DEBIAN = ("580.159.04-1", "590.48.01-1", "595.71.05-1")
UNSUFFIXED = ("590.48.01-1ubuntu1", "595.71.05-1ubuntu1")
# Of the distribution, or only ever an alternative.
FROM_ELSEWHERE = {"python3", "kmod", "passwd", "libseccomp2"}


def _versions(path: str, name: str) -> list[str]:
    return [package.version for package in BY_PATH[path] if package.name == name]


@pytest.mark.parametrize(
    ("path", "name", "versions"),
    [
        (DEBIAN, "nvidia-driver-cuda", ["570.211.01-1", "580.105.08-1", *LATER_DEBIAN]),
        (DEBIAN, "nvidia-open-580", ["580.105.08-1", "580.159.04-1"]),
        (DEBIAN, "nvidia-open-590", []),
        (DEBIAN, "nvidia-driver-pinning-580.105.08", ["580.105.08-1"]),
        (UBUNTU, "libnvidia-compute-580", ["580.105.08-0ubuntu1", "580.159.04-1ubuntu1"]),
        (UBUNTU, "libnvidia-compute", [*UNSUFFIXED]),
        (UBUNTU, "nvidia-fabricmanager", ["580.105.08-1", "580.159.04-1ubuntu1", *UNSUFFIXED]),
        (UBUNTU, "nvidia-fabricmanager-580", []),
        (UBUNTU, "nvidia-driver-pinning-580", ["580-1ubuntu1"]),
        (TOOLKIT, "nvidia-container-toolkit", ["1.18.1-1", "1.19.1-1", "1.20.0-1"]),
        (TOOLKIT, "libnvidia-container1", ["1.18.1-1", "1.19.1-1", "1.20.0-1"]),
    ],
)  # fmt: skip
def test_names_and_versions(path: str, name: str, versions: list[str]) -> None:
    assert _versions(path, name) == versions


@pytest.mark.parametrize("path", sorted(BY_PATH))
def test_no_version_of_a_package_is_there_twice(path: str) -> None:
    files = [package.filename for package in BY_PATH[path]]

    assert len(files) == len(set(files))


@pytest.mark.parametrize("path", sorted(BY_PATH))
def test_every_dependency_can_be_met_there(path: str) -> None:
    packages = BY_PATH[path]
    offered = {package.name for package in packages} | FROM_ELSEWHERE
    offered |= {name for package in packages for name in package.relations.get("provides", ())}

    unmet = {
        f"{package.name}: {dependency}"
        for package in packages
        for dependency in package.relations.get("depends", ())
        if not any(part.split()[0] in offered for part in dependency.split("|"))
    }

    assert not unmet


@pytest.mark.parametrize("path", [DEBIAN, UBUNTU])
def test_a_library_or_program_is_in_one_package_of_a_version(path: str) -> None:
    owners: dict[tuple[str, str], list[Package]] = {}
    for package in BY_PATH[path]:
        for item in (*package.libraries, *package.content):
            if not item.startswith(("pinning", "persistenced-")):
                owners.setdefault((package.upstream, item), []).append(package)

    assert not {key: found for key, found in owners.items() if len(found) > 1}


def test_the_driver_is_pinned_by_its_source_package() -> None:
    unpinned = {
        package.name
        for package in BY_PATH[UBUNTU]
        if re.match(r"(lib)?nvidia-(driver|compute|dkms|kernel|firmware|open)", package.name)
        and "nvidia" not in package.source
    }

    assert not unpinned
