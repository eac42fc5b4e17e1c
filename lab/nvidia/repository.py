"""Index a directory of .debs as a flat apt repository, in the layout of NVIDIA's own."""

import gzip
from pathlib import Path

from lab.command import run

CUDA_RELEASE = {"Origin": "NVIDIA", "Label": "NVIDIA CUDA"}
TOOLKIT_RELEASE = {
    "Origin": "https://nvidia.github.io/libnvidia-container",
    "Label": "NVIDIA CORPORATION <cudatools@nvidia.com>",
}
ARCHIVE_RELEASE = {"Origin": "Ubuntu", "Label": "Ubuntu", "Suite": "noble", "Codename": "noble"}


def release_fields(path: str) -> dict[str, str]:
    """Return the Release fields of the repository served at `path`."""
    if path.startswith("libnvidia-container"):
        return TOOLKIT_RELEASE
    if path.startswith("ubuntu-archive"):
        return ARCHIVE_RELEASE
    return {**CUDA_RELEASE, "Description": f"https://developer.download.nvidia.com/{path}"}


def index(directory: Path, fields: dict[str, str], packages: str | None = None) -> str:
    """Write Packages, Packages.gz and Release into `directory` and return the text of Packages.

    `packages` is that text when an equal directory was indexed before: scanning is the slow part.
    """
    packages = packages or _scan(directory)
    (directory / "Packages").write_text(packages)
    (directory / "Packages.gz").write_bytes(gzip.compress(packages.encode(), mtime=0))
    options = {"Architectures": "amd64", **fields}
    settings = [
        part
        for key, value in options.items()
        for part in ("-o", f"APT::FTPArchive::Release::{key}={value}")
    ]
    (directory / "Release").unlink(missing_ok=True)
    release = run(["apt-ftparchive", *settings, "release", directory])
    (directory / "Release").write_text(release)
    return packages


def _scan(directory: Path) -> str:
    packages = run(["apt-ftparchive", "packages", directory])
    # apt-ftparchive puts the directory that it was given before each name.
    return packages.replace(f"Filename: {directory}/", "Filename: ./")
