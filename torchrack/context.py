"""The host that deploy code runs for at this moment."""

from __future__ import annotations

from collections.abc import Mapping

from pyinfra import host, state
from pyinfra.api.host import Host

from torchrack.lock.fleet import group_of, settings_of
from torchrack.settings.model import Settings


def current_host() -> Host:
    """Return the host itself; pyinfra's ``host`` is a stand-in that does not belong in a set."""
    return state.inventory.get_host(host.name)


def settings() -> Settings:
    """Return the settings of the current host, made exact by its fleet's lock."""
    return settings_of(current_host())


def locked_packages() -> Mapping[str, str]:
    """Return package to exact version, as the lock has them for the current host."""
    return group_of(current_host()).packages
