"""A time service that is kept on."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra import host

from torchrack.errors import HostError, Problem
from torchrack.facts.clock import OtherClock
from torchrack.facts.gather import gather
from torchrack.operations import apt, files, units
from torchrack.operations.guard import Commands, operation

TIMESYNCD = "/etc/systemd/timesyncd.conf.d/torchrack.conf"
CHRONY = "/etc/chrony/sources.d/torchrack.sources"


@operation
def synchronised(*, servers: Sequence[str]) -> Commands:
    """Keep the clock with the service that is there, else with systemd-timesyncd.

    Args:
        servers: NTP servers; empty leaves the distribution's.
    """
    other = gather(OtherClock)
    if other == "chrony.service":
        yield from _chrony(servers)
    elif other:
        _refuse_servers(other, servers)
        yield from units.unit._inner(unit=other)
    else:
        yield from _timesyncd(servers)


def _timesyncd(servers: Sequence[str]) -> Commands:
    yield from apt.packages._inner(versions={"systemd-timesyncd": None})
    content = files.render("base/timesyncd.conf.j2", servers=servers)
    yield from files.put._inner(dest=TIMESYNCD, content=content)
    yield from units.unit._inner(unit="systemd-timesyncd.service", inputs=(TIMESYNCD,))


def _chrony(servers: Sequence[str]) -> Commands:
    content = files.render("base/chrony.sources.j2", servers=servers)
    yield from files.put._inner(dest=CHRONY, content=content)
    yield from units.unit._inner(unit="chrony.service", inputs=(CHRONY,))


def _refuse_servers(service: str, servers: Sequence[str]) -> None:
    if servers:
        raise HostError(
            Problem(
                where=host.name,
                what="base.ntp_servers",
                found=f"{service} keeps the clock",
                needed="systemd-timesyncd or chrony, the services whose servers we set",
                fix=f"name the servers in the configuration of {service}, or remove its package",
            )
        )
