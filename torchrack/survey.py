"""The survey of the current host, read once a run."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from pyinfra.api.host import Host

from torchrack.context import current_host
from torchrack.facts.gather import gather
from torchrack.facts.survey import HostSurvey, Survey

_surveys: WeakKeyDictionary[Host, Survey] = WeakKeyDictionary()


def survey() -> Survey:
    """Return what the current host is; only the first call of a run asks it.

    Raises:
        HostError: the host did not answer.
    """
    host = current_host()
    if host not in _surveys:
        remember(host, gather(HostSurvey))
    return _surveys[host]


def remember(host: Host, known: Survey) -> None:
    """Keep a survey that came with another answer (preflight's), to save a round trip."""
    _surveys[host] = known
