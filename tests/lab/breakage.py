"""How a healthy host is broken, one way for each state assertion."""

from __future__ import annotations

from dataclasses import dataclass

DPKG = "/var/lib/dpkg/status"
KEEP_DPKG = f"[ -e /run/dpkg-status ] || cp -a {DPKG} /run/dpkg-status"
RESTORE_DPKG = f"[ ! -e /run/dpkg-status ] || mv -f /run/dpkg-status {DPKG}"


@dataclass(frozen=True)
class Break:
    """One way to break a host.

    Args:
        test: the state test that must go red, as "test_docker.py::test_log_driver".
        harm: shell script, run as root on the host.
        undo: shell script that brings the host back.
        host: the host it is tried on.
        batch: those of a batch are tried together; none of them makes another one's test go red.
        then: shell script that follows the harm of a batch, once however many ask for it.
        after: shell script that follows the undoing of a batch, once however many ask for it.
    """

    test: str
    harm: str
    undo: str
    host: str = "gpu01"
    batch: int = 1
    then: str = ""
    after: str = ""


def dpkg_says(package: str, version: str, test: str) -> Break:
    """Let dpkg report another version of a package."""
    edit = f"/^Package: {package}$/,/^$/s/^Version: .*/Version: {version}/"
    return Break(test, f"{KEEP_DPKG}; sed -i '{edit}' {DPKG}", RESTORE_DPKG, batch=2)
