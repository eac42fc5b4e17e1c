"""What a person wants to see of a check: only what is grave, or only what is new."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from torchrack.drift.history import Seen
from torchrack.drift.model import SEVERITIES, Finding, Severity
from torchrack.drift.waivers import Waived

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str, now: dt.datetime) -> dt.datetime:
    """Return the time that ``--since`` names.

    Args:
        text: a date or time in ISO 8601 (UTC where it does not say), or how long ago: 90m, 24h, 7d.
        now: the present time.

    Raises:
        ValueError: it is neither.
    """
    ago = re.fullmatch(r"(\d{1,5})([mhdw])", text)
    if ago:
        return now - dt.timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    when = dt.datetime.fromisoformat(text)
    return when if when.tzinfo else when.replace(tzinfo=dt.timezone.utc)


def select(
    checked: Waived,
    seen: Mapping[tuple[str, str], Seen],
    *,
    severity: Severity | None = None,
    since: dt.datetime | None = None,
) -> Waived:
    """Return a check with the findings that were asked for.

    What could not be checked stays: nobody knows how grave or how new it is.

    Args:
        checked: the check.
        seen: host and id of a finding to what the history knows of it.
        severity: the least grave that is wanted.
        since: findings that are there since before are left out.
    """

    def wanted(one: Finding) -> bool:
        if one.kind in ("unknown", "unreachable"):
            return True
        if severity and SEVERITIES.index(one.severity) > SEVERITIES.index(severity):
            return False
        known = seen.get((one.host, one.id))
        return not (since and known and known.first < since)

    return _kept(checked, wanted)


def _kept(checked: Waived, wanted: Callable[[Finding], bool]) -> Waived:
    result = checked.result
    hosts = tuple(
        replace(host, findings=tuple(filter(wanted, host.findings))) for host in result.hosts
    )
    fleet = tuple(filter(wanted, result.fleet_findings))
    return replace(checked, result=replace(result, hosts=hosts, fleet_findings=fleet))
