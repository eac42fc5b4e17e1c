"""The host that deploy code runs for at this moment."""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakKeyDictionary

from pyinfra import host, state
from pyinfra.api.host import Host

from torchrack.lock.fleet import group_of, settings_of
from torchrack.lock.model import Group
from torchrack.settings.model import Settings


def current_host() -> Host:
    """Return the host itself; pyinfra's ``host`` is a stand-in that does not belong in a set."""
    return state.inventory.get_host(host.name)


_exact: WeakKeyDictionary[Host, tuple[Settings, Group]] = WeakKeyDictionary()


def remember(host: Host, settings: Settings, group: Group) -> None:
    """Keep what is known of a host's settings: it does not change in a run."""
    _exact[host] = settings, group


def _known() -> tuple[Settings, Group]:
    host = current_host()
    if host not in _exact:
        remember(host, settings_of(host), group_of(host))
    return _exact[host]


def settings() -> Settings:
    """Return the settings of the current host, made exact by its fleet's lock."""
    return _known()[0]


def locked_packages() -> Mapping[str, str]:
    """Return package to exact version, as the lock has them for the current host."""
    return _known()[1].packages
