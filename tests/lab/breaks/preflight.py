"""Breaks of what ``preflight`` looks at; files of the system are covered, never changed."""

from tests.lab.breakage import Break

_MODULE = "test_preflight.py"
_SOURCE = "/etc/apt/sources.list.d/break.list"


def _cover(path: str, content: str) -> tuple[str, str]:
    """Scripts that lay another content over a file, and take it away again."""
    cover = "/run/torchrack-break"
    return f"f={path}; {content} > {cover}; mount --bind {cover} $f", f"umount {path}; rm {cover}"


def _covered(test: str, path: str, content: str) -> Break:
    harm, undo = _cover(path, content)
    return Break(test=f"{_MODULE}::{test}", harm=harm, undo=undo)


def _source(test: str, line: str) -> Break:
    return Break(test=f"{_MODULE}::{test}", harm=f"echo '{line}' > {_SOURCE}", undo=f"rm {_SOURCE}")


BREAKS = [
    _covered(
        "test_operating_system_is_supported",
        "/usr/lib/os-release",
        "sed 's/^VERSION_ID=.*/VERSION_ID=99/' $f",
    ),
    _covered("test_gpus_are_known", "/sys/bus/pci/devices/0000:3b:00.0/device", "echo 0x3fff"),
    Break(
        test=f"{_MODULE}::test_clock_is_near_ours",
        # The host's clock is this machine's, so the program is what goes wrong.
        harm="cp /usr/bin/date /run/date; "
        'printf \'#!/bin/sh\\nexec /run/date -d "1 hour" "$@"\\n\' > /run/torchrack-break; '
        "chmod 755 /run/torchrack-break; mount --bind /run/torchrack-break /usr/bin/date",
        undo="umount /usr/bin/date; rm /run/date /run/torchrack-break",
    ),
    _source("test_apt_works", "nonsense"),
    Break(
        test=f"{_MODULE}::test_no_package_is_half_installed",
        harm="cp /var/lib/dpkg/status /run/dpkg-status; "
        "sed -i '0,/^Status: install ok installed/s//Status: install ok half-configured/' "
        "/var/lib/dpkg/status",
        undo="cp /run/dpkg-status /var/lib/dpkg/status; rm /run/dpkg-status",
    ),
    _source(
        "test_driver_has_one_source",
        "deb [trusted=yes] http://ppa.example/graphics-drivers/ppa/ubuntu noble main",
    ),
    Break(
        test=f"{_MODULE}::test_driver_packages_come_from_it",
        harm="cd /var/lib/apt/lists; for f in *_compute_cuda_repos_*; do mv $f $f.off; done",
        undo="cd /var/lib/apt/lists; for f in *.off; do mv $f ${f%.off}; done",
    ),
    Break(
        test=f"{_MODULE}::test_driver_belongs_to_packages",
        harm="touch /usr/bin/nvidia-uninstall",
        undo="rm /usr/bin/nvidia-uninstall",
    ),
    Break(
        test=f"{_MODULE}::test_there_is_one_docker",
        harm="touch /usr/local/bin/dockerd",
        undo="rm /usr/local/bin/dockerd",
    ),
    Break(
        test=f"{_MODULE}::test_disks_have_room",
        harm="mount -t tmpfs -o size=1m tmpfs /boot",
        undo="umount /boot",
    ),
]
