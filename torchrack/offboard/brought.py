"""What a deploy brings to a host, stage by stage: the list that offboarding goes by.

The paths are the stages' own definitions where those have them. A host keeps a record besides, of
each file that it was sent (:data:`torchrack.operations.files.WRITTEN`), which also knows of what an
earlier version or other settings have brought.
"""

from __future__ import annotations

import fnmatch

from torchrack import persistence
from torchrack.apt.repository import KEYRINGS, SOURCES
from torchrack.docker import engine
from torchrack.facts import certificates, docker
from torchrack.images import registry_access
from torchrack.operations import clock, sshd, upgrades
from torchrack.sshd.options import DROP_IN
from torchrack.stamp import STAMP
from torchrack.toolkit import PACKAGES as TOOLKIT
from torchrack.workloads import workload

NOUVEAU = "/etc/modprobe.d/torchrack-nouveau.conf"
SUDOERS = "/etc/sudoers.d/90-torchrack"
BANNER = "/etc/issue.net"
CDI = ("/var/run/cdi/nvidia.yaml", "/run/cdi/nvidia.yaml")

FOLDERS = (
    "/etc/torchrack",
    "/var/lib/torchrack",
    "/run/torchrack",
    "/usr/local/lib/torchrack",
)
"""Ours from top to bottom."""

ACCESS = (DROP_IN, sshd.CLOUD, SUDOERS, BANNER)
"""What decides who gets in; it stays where nobody asks for it to go."""

FILES = (
    f"{certificates.FOLDER}/{certificates.PREFIX}*.crt",
    clock.TIMESYNCD,
    clock.CHRONY,
    upgrades.CONF,
    NOUVEAU,
    f"{SOURCES}/torchrack-*.sources",
    f"{KEYRINGS}/torchrack-*.asc",
    persistence.DROP_IN,
    f"{registry_access.CERTS}/*/ca.crt",
    f"{workload.UNITS}/torchrack-*.service",
    f"{sshd.ROLLBACK_UNITS}*",
)
"""Files outside of our folders, as shell patterns; each goes, or gives way to its original."""

ENGINE = tuple(name for name in engine.PACKAGES if name != "iptables")
PACKAGES = (*ENGINE, *TOOLKIT)
"""Packages that a deploy installs and holds, beside the driver's, whose names are many."""

_MERGED = (docker.DAEMON_JSON,)
"""Files that we share with others, key by key."""
_OWN = (docker.OWNED, docker.TAKEN, STAMP, workload.SUPERVISOR, workload.STATE)
"""Below our folders; named so that a change of theirs is noticed here."""
_REBUILT = ("/boot/initrd.img-*", "/etc/ssl/certs/*", *CDI)
"""Made by tools of the system from our files, and made again when those are gone."""


def covers(path: str) -> bool:
    """Whether offboarding knows what becomes of a path that a stage brings."""
    if any(path == folder or path.startswith(f"{folder}/") for folder in FOLDERS):
        return True
    known = (*ACCESS, *FILES, *_MERGED, *_OWN, *_REBUILT)
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in known)


def is_ours_by_name(path: str) -> bool:
    """Whether only we give files such names; another's file may stand in a registry's folder."""
    return not path.startswith(f"{registry_access.CERTS}/")
