"""Typed settings: what stands in ``group_data/``, one section a stage."""

from __future__ import annotations

from torchrack.settings.base import Base
from torchrack.settings.docker import Docker
from torchrack.settings.drift import Drift
from torchrack.settings.driver import Driver
from torchrack.settings.images import Images, Registry
from torchrack.settings.knowledge import Knowledge
from torchrack.settings.model import SECTIONS, Settings, of
from torchrack.settings.preflight import Preflight
from torchrack.settings.secret import Secret, command, env, file
from torchrack.settings.sshd import Sshd
from torchrack.settings.toolkit import Toolkit
from torchrack.settings.workloads import Mount, Port, Workload, Workloads

__all__ = [
    "SECTIONS",
    "Base",
    "Docker",
    "Drift",
    "Driver",
    "Images",
    "Knowledge",
    "Mount",
    "Port",
    "Preflight",
    "Registry",
    "Secret",
    "Settings",
    "Sshd",
    "Toolkit",
    "Workload",
    "Workloads",
    "command",
    "env",
    "file",
    "of",
]
