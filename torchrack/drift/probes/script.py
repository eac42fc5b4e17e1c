"""The script that asks a host, with what it has to look for written in front."""

from __future__ import annotations

import shlex

from torchrack.drift.probes.gpu_answers import FIELDS
from torchrack.facts.answers import Request
from torchrack.facts.docker import Daemon
from torchrack.operations.files import read
from torchrack.settings.model import Settings
from torchrack.settings.workloads import SERVED
from torchrack.workloads import mounts
from torchrack.workloads.workload import LABEL

_SECONDS = 90
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - an address to ask at


def request(settings: Settings) -> Request:
    """Return the script for a host with these settings.

    Args:
        settings: what is declared for the host.
    """
    head = {"label": LABEL, "services": "\n".join(_services(settings))}
    head |= {f"{group}_fields": ",".join(fields) for group, fields in FIELDS.items()}
    lines = [f"{name}={shlex.quote(value)}" for name, value in head.items()]
    lines += [f"daemon() {{ (\n{Daemon().command()}\n); }}", mounts.shell()]
    return Request("\n".join([*lines, read("drift/probes.sh")]), _SECONDS)


def _services(settings: Settings) -> list[str]:
    """What people log in to: kind, name, and where on the host it is published."""
    return [
        f"{one.kind} {one.name} {_EVERYWHERE.get(port.address, port.address)} {port.host}"
        for one in settings.workloads.containers
        for port in one.ports
        if port.container == SERVED.get(one.kind)
    ]
