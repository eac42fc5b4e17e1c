"""Network ports, from what sysfs and ethtool say of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from torchrack.onboard.hardware.lines import Row, colons, number, told
from torchrack.onboard.hardware.model import UNKNOWN, Nic

_PCI = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")


def nics_of(rows: Iterable[Row]) -> tuple[Nic, ...]:
    """Return the network ports, by name.

    Args:
        rows: what sysfs and ethtool say of them.
    """
    found: dict[str, tuple[str, Row]] = {}
    ethtool: dict[str, dict[str, str]] = defaultdict(dict)
    for kind, name, *fields in rows:
        if kind in ("net", "ib") and len(fields) == 6:
            found[name] = (kind, fields)
        elif kind == "ethtool":
            ethtool[name] |= colons(fields)
    return tuple(_nic(name, *found[name], ethtool[name]) for name in sorted(found))


def _nic(name: str, kind: str, fields: Row, ethtool: Mapping[str, str]) -> Nic:
    mac, path, driver, firmware, speed, state = fields
    addresses = _PCI.findall(path)
    if kind == "ib":  # "400 Gb/sec (4X NDR)", "4: ACTIVE"
        gigabits = re.match(r"[\d.]+", speed)
        megabits = round(float(gigabits[0]) * 1000) if gigabits else None
        link = {"ACTIVE": "up", "DOWN": "down"}.get(state.rpartition(" ")[2], UNKNOWN)
    else:
        megabits = number(speed)  # -1 without a link
        link = state if state in ("up", "down") else UNKNOWN
    return Nic(
        name=name,
        mac=told(mac),
        pci=addresses[-1] if addresses else UNKNOWN,
        driver=told(driver),
        firmware=told(ethtool.get("firmware-version"), firmware),
        speed=megabits if link == "up" else None,
        link=link,
    )
