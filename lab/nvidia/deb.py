"""Build one simulated package with dpkg-deb from its description, trees, programs and scripts."""

import shutil
import tempfile
import zipfile
from functools import cache
from io import BytesIO
from pathlib import Path

from lab.command import run
from lab.errors import LabError
from lab.nvidia import elf
from lab.nvidia.catalog import Package

HERE = Path(__file__).parent
LIBRARY_DIR = "usr/lib/x86_64-linux-gnu"
MAINTAINER = "cudatools <cudatools@nvidia.com>"
PROGRAM_SOURCES = HERE / "programs"
# Where a host gets each directory of programs/, as one executable file.
PROGRAMS = {
    "smi": "usr/bin/nvidia-smi",
    "kernel": "usr/libexec/nvidia-lab/kernel",
    "ctk": "usr/bin/nvidia-ctk",
}
SHARED_PROGRAM_SOURCES = "gpus"
# License as modinfo shows it: it is what tells NVIDIA's two module flavours apart.
MODULE_LICENSE = {"open": "Dual MIT/GPL", "proprietary": "NVIDIA"}
MODULES = ("nvidia", "nvidia-uvm", "nvidia-modeset", "nvidia-drm", "nvidia-peermem")


def build(package: Package, target: Path, extra: dict[str, bytes] | None = None) -> Path:
    """Build the package into the directory `target` and return the .deb's path.

    `extra` are files (path without a leading slash, content) beside those of the description.

    Raises:
        LabError: dpkg-deb refuses the tree, with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="lab-deb-") as scratch:
        tree = Path(scratch) / "tree"
        tree.mkdir(mode=0o755)
        _fill(package, tree)
        for path, content in (extra or {}).items():
            _write(tree / path, content)
        _write_control(package, tree)
        result = target / package.filename
        run(
            ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, result],
            env={"SOURCE_DATE_EPOCH": "1767225600"},
        )
    return result


def _fill(package: Package, tree: Path) -> None:
    tokens = _tokens(package)
    for name in package.content:
        if name in PROGRAMS:
            _write(tree / PROGRAMS[name], program(name), mode=0o755)
        else:
            _copy_tree(HERE / "files" / name, tree, tokens)
    for soname in package.libraries:
        _add_library(tree, soname, package.upstream)
    if package.module:
        _add_module_source(tree, package)
    _write(tree / f"usr/share/doc/{package.name}/README", b"Simulated for a test lab.\n")


def _tokens(package: Package) -> dict[str, str]:
    return {
        "@VERSION@": package.upstream,
        "@BRANCH@": package.branch,
        "@FLAVOUR@": package.module,
        "@PACKAGE@": package.name,
    }


def _replace(text: str, tokens: dict[str, str]) -> str:
    for token, value in tokens.items():
        text = text.replace(token, value)
    return text


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def _copy_tree(origin: Path, tree: Path, tokens: dict[str, str]) -> None:
    if not origin.is_dir():
        raise LabError(f"{origin}: no such tree of package contents")
    for path in sorted(origin.rglob("*")):
        relative = _replace(str(path.relative_to(origin)), tokens)
        if path.is_file():
            content = _replace(path.read_text(), tokens).encode()
            mode = 0o755 if content.startswith(b"#!") else 0o644
            _write(tree / relative, content, mode)


def _add_library(tree: Path, soname: str, version: str) -> None:
    stem, _, major = soname.partition(".so")
    directory = tree / LIBRARY_DIR
    real = f"{stem}.so.{version}"
    _write(directory / real, elf.shared_object(soname))
    if major:
        (directory / soname).symlink_to(real)
        (directory / f"{stem}.so").symlink_to(soname)
    triggers = tree / "DEBIAN" / "triggers"
    _write(triggers, b"activate-noawait ldconfig\n")


def _add_module_source(tree: Path, package: Package) -> None:
    source = tree / f"usr/src/nvidia-{package.upstream}"
    for name in MODULES:
        modinfo = {
            "version": package.upstream,
            "license": MODULE_LICENSE[package.module],
            "name": name.replace("-", "_"),
        }
        _write(source / f"{name}.ko", elf.kernel_module(modinfo))
    configuration = (
        f'PACKAGE_NAME="nvidia"\nPACKAGE_VERSION="{package.upstream}"\nAUTOINSTALL="yes"\n'
    )
    _write(source / "dkms.conf", configuration.encode())


@cache
def program(name: str) -> bytes:
    """Return a directory of programs/ as one executable file, run by the host's own python3."""
    buffer = BytesIO()
    buffer.write(b"#!/usr/bin/python3\n")
    start = f"import sys\nfrom {name}.main import main\nsys.exit(main())\n"
    with zipfile.ZipFile(buffer, "a") as archive:
        _add_member(archive, "__main__.py", start.encode())
        for package in (name, SHARED_PROGRAM_SOURCES):
            for path in sorted((PROGRAM_SOURCES / package).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    member = str(path.relative_to(PROGRAM_SOURCES))
                    _add_member(archive, member, path.read_bytes())
    return buffer.getvalue()


def _add_member(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    # A fixed date keeps the file the same from build to build.
    archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)


def _write_control(package: Package, tree: Path) -> None:
    fields = [
        ("Package", package.name),
        ("Version", package.version),
        ("Architecture", package.architecture),
        ("Maintainer", MAINTAINER),
        ("Section", "multiverse/devel"),
        ("Priority", "optional"),
    ]
    if package.source != package.name:
        fields.insert(1, ("Source", package.source))
    fields += [(key.capitalize(), ", ".join(value)) for key, value in package.relations.items()]
    fields.append(("Description", package.summary))
    control = "".join(f"{key}: {value}\n" for key, value in fields)
    _write(tree / "DEBIAN/control", control.encode())
    if package.conffiles:
        _write(
            tree / "DEBIAN/conffiles", "".join(f"{path}\n" for path in package.conffiles).encode()
        )
    for kind, name in package.scripts.items():
        script = _replace((HERE / "scripts" / name).read_text(), _tokens(package))
        _write(tree / "DEBIAN" / kind, script.encode(), mode=0o755)


def require_tools() -> None:
    """Look for the build tools.

    Raises:
        LabError: one is missing, with the packages to install.
    """
    needed = {"dpkg-deb": "dpkg", "apt-ftparchive": "apt-utils", "gpg": "gnupg"}
    missing = [package for tool, package in needed.items() if shutil.which(tool) is None]
    if missing:
        raise LabError(f"the package mirror needs: apt-get install {' '.join(missing)}")
