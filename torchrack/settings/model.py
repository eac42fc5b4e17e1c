"""The settings of one host: its sections, merged field by field from the inventory's layers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pyinfra.api.host import Host

from torchrack.settings.base import Base
from torchrack.settings.docker import Docker
from torchrack.settings.drift import Drift
from torchrack.settings.driver import Driver
from torchrack.settings.images import Images
from torchrack.settings.knowledge import Knowledge
from torchrack.settings.preflight import Preflight
from torchrack.settings.section import Section
from torchrack.settings.sshd import Sshd
from torchrack.settings.toolkit import Toolkit
from torchrack.settings.workloads import Workloads

SECTIONS: dict[str, type[Section]] = {
    section.stage: section
    for section in (
        Knowledge,
        Preflight,
        Base,
        Sshd,
        Driver,
        Docker,
        Toolkit,
        Images,
        Workloads,
        Drift,
    )
}
"""The sections by the name they have in group data, in the order of the stages."""


@dataclass(frozen=True)
class Settings:
    """All settings of one host, a section a stage."""

    knowledge: Knowledge
    preflight: Preflight
    base: Base
    sshd: Sshd
    driver: Driver
    docker: Docker
    toolkit: Toolkit
    images: Images
    workloads: Workloads
    drift: Drift

    def sha256(self) -> str:
        """A hash of all values, hex; secrets enter it as references only."""
        data = {f.name: getattr(self, f.name).model_dump(mode="json") for f in fields(self)}
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def merge(layers: Iterable[Mapping[str, Any]]) -> Settings:
    """Merge layers of data, the most general first, field by field.

    Only fields that a layer names count, so that a group can change one field and keep the rest.
    A list or dict replaces the more general one whole.

    Args:
        layers: data by name (``docker``, ``driver``...), as group data files define it.

    Returns:
        The settings, with defaults where no layer says anything.
    """
    chosen: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    origins: dict[str, dict[str, str]] = {name: {} for name in SECTIONS}
    for layer in layers:
        for name, section in SECTIONS.items():
            value = layer.get(name)
            if isinstance(value, section):
                chosen[name] |= {f: getattr(value, f) for f in value.model_fields_set}
                origins[name] |= {f: value.where(f) or "" for f in value.model_fields_set}
    sections: dict[str, Any] = {name: SECTIONS[name](**chosen[name]) for name in SECTIONS}
    for name, section in sections.items():
        section.note_origins(origins[name])
    return Settings(**sections)


_checked: dict[tuple[str, str], Settings] = {}
"""Inventory and host to settings, as they were checked."""


def keep(inventory: Path, name: str, settings: Settings) -> None:
    """Keep the settings of a host of an inventory that was checked."""
    _checked[str(inventory), name] = settings


def of(host: Host) -> Settings:
    """Return the settings of a pyinfra host: all, then its groups in order, then the host's own.

    Those of a checked inventory are what was checked: pyinfra reads group data of the current
    folder, which need not be the fleet's.
    """
    inventory = host.inventory
    known = inventory.get_host_data(host.name).get("_inventory_file"), host.name
    if known in _checked:
        return _checked[known]
    groups = [inventory.get_group_data(group) for group in host.groups]
    return merge([inventory.get_data(), *groups, inventory.get_host_data(host.name)])
