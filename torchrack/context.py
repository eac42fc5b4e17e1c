"""The host that deploy code runs for at this moment."""

from __future__ import annotations

from pyinfra import host, state
from pyinfra.api.host import Host

from torchrack.settings.model import Settings, of


def current_host() -> Host:
    """Return the host itself; pyinfra's ``host`` is a stand-in that does not belong in a set."""
    return state.inventory.get_host(host.name)


def settings() -> Settings:
    """Return the settings of the current host."""
    return of(current_host())
