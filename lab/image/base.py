"""The image's lowest layer: Debian 12 with the packages it needs, as a tar archive."""

from pathlib import Path

from lab import apt
from lab.command import run
from lab.image import cache as store

SUITE = "bookworm"  # the release whose Python is the 3.11 that the wheels are for
PACKAGES = (
    "busybox-static",  # for the tools image
    "ca-certificates",
    "curl",
    "git",
    "less",
    "openssh-server",
    "procps",
    "python3",
    "python3-venv",
    "tini",
    "tmux",
    "vim-tiny",
)
# Documentation and translations are a third of Debian's files; the licences stay.
_DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/lintian/*",
)


def key() -> str:
    """Return what the archive's content depends on, as 12 hex digits."""
    return store.key([], SUITE, PACKAGES, _DPKG_OPTIONS)


def ensure(cache: Path) -> Path:
    """Return the archive, made by mmdebstrap if the cache has none (30 s, 220 MB)."""
    return store.ensure(cache / "image" / f"base-{key()}", _build)


def _build(work: Path) -> Path:
    (work / "apt.conf").write_text(apt.configuration())
    sources: list[str | Path] = []
    if apt.distribution()[0] == "debian":
        (work / "mirror.sources").write_text(apt.deb822(SUITE))
        sources = [work / "mirror.sources"]
    # On another distribution mmdebstrap takes Debian's public mirror by itself.
    hooks = (
        'rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*',
        'rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap',
        'rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/machine-id "$1"/etc/hostname "$1"/etc/resolv.conf',
    )
    archive = work / "base.tar"
    run(
        ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar"]
        + [f"--include={','.join(PACKAGES)}", f"--aptopt={work / 'apt.conf'}"]
        + [f"--dpkgopt={option}" for option in _DPKG_OPTIONS]
        + [f"--customize-hook={hook}" for hook in hooks]
        + [SUITE, archive, *sources],
        env={"DEBIAN_FRONTEND": "noninteractive"},
    )
    return archive
