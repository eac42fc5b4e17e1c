"""Breaks of what ``preflight`` looks at; files of the system are covered, never changed."""

from tests.lab.breakage import KEEP_DPKG, RESTORE_DPKG, Break

_MODULE = "test_preflight.py"
_SOURCE = "/etc/apt/sources.list.d/break.list"


def _cover(path: str, content: str) -> tuple[str, str]:
    """Scripts that lay another content over a file, and take it away again."""
    cover = f"/run/{path.rpartition('/')[2]}.break"
    return f"f={path}; {content} > {cover}; mount --bind {cover} $f", f"umount {path}; rm {cover}"


def _covered(test: str, path: str, content: str) -> Break:
    harm, undo = _cover(path, content)
    return Break(test=f"{_MODULE}::{test}", harm=harm, undo=undo, batch=4)


def _source(test: str, line: str, *, batch: int) -> Break:
    harm, undo = f"echo '{line}' > {_SOURCE}", f"rm {_SOURCE}"
    return Break(test=f"{_MODULE}::{test}", harm=harm, undo=undo, batch=batch)


BREAKS = [
    _covered(
        "test_operating_system_is_supported",
        "/usr/lib/os-release",
        "sed 's/^VERSION_ID=.*/VERSION_ID=99/' $f",
    ),
    _covered("test_gpus_are_known", "/sys/bus/pci/devices/0000:3b:00.0/device", "echo 0x3fff"),
    Break(
        test=f"{_MODULE}::test_clock_is_near_ours",
        batch=5,
        # The host's clock is this machine's, so the program is what goes wrong.
        harm="cp /usr/bin/date /run/date; "
        'printf \'#!/bin/sh\\nexec /run/date -d "1 hour" "$@"\\n\' > /run/late; '
        "chmod 755 /run/late; mount --bind /run/late /usr/bin/date",
        undo="umount /usr/bin/date; rm /run/date /run/late",
    ),
    _source("test_apt_works", "nonsense", batch=3),
    Break(
        test=f"{_MODULE}::test_no_package_is_half_installed",
        batch=2,
        harm=f"{KEEP_DPKG}; "
        "sed -i '0,/^Status: install ok installed/s//Status: install ok half-configured/' "
        "/var/lib/dpkg/status",
        undo=RESTORE_DPKG,
    ),
    _source(
        "test_driver_has_one_source",
        "deb [trusted=yes] http://ppa.example/graphics-drivers/ppa/ubuntu noble main",
        batch=2,
    ),
    Break(
        test=f"{_MODULE}::test_driver_packages_come_from_it",
        batch=5,
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
        batch=3,
        harm="mount -t tmpfs -o size=1m tmpfs /boot",
        undo="umount /boot",
    ),
]
