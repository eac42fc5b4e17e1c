"""Which networks Docker would give to its bridges, and which it passes over. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MOST = 2**16
"""Subnets of a pool that are looked at."""
OWN = "Docker's own pools"
"""The origin of pools that nobody has named."""
_OWN = (
    ("172.17.0.0/16", 16),
    ("172.18.0.0/16", 16),
    ("172.19.0.0/16", 16),
    ("172.20.0.0/14", 16),
    ("172.24.0.0/14", 16),
    ("172.28.0.0/14", 16),
    ("192.168.0.0/16", 20),
)
"""Docker's own pools (moby, libnetwork/ipamutils: localScopeDefaultNetworks)."""
_EXAMPLES = ("10.213.0.0/16", "10.187.0.0/16", "172.30.0.0/16", "192.168.240.0/20")
_FIXED = ("bip", "fixed-cidr", "bip6", "fixed-cidr-v6")
"""Keys that name a network for the default bridge, which Docker takes without a look at routes."""


@dataclass(frozen=True)
class Pool:
    """A network that Docker cuts subnets out of.

    Args:
        base: the network.
        size: the subnets' prefix length.
        origin: who says so, for messages.
    """

    base: Network
    size: int
    origin: str

    def subnets(self, within: Network | None = None) -> Iterator[Network]:
        """Yield the subnets in Docker's order, or only those that overlap a network."""
        base: Network = self.base
        if within is not None:
            if not overlap(self.base, within):
                return
            base = max(self.base, within, key=lambda one: one.prefixlen)
        if base.prefixlen >= self.size:
            yield base.supernet(new_prefix=self.size)
        else:
            yield from islice(base.subnets(new_prefix=self.size), _MOST)


def overlap(one: Network, other: Network) -> bool:
    """Whether two networks of any version overlap."""
    return one.version == other.version and one.overlaps(other)


def pools(declared: Sequence[str], keys: Mapping[str, Any], flags: Sequence[str]) -> list[Pool]:
    """Return the pools that count: those of the settings, of the host, or Docker's own.

    Args:
        declared: ``docker.address_pools``.
        keys: the host's daemon.json.
        flags: dockerd's flags on the host, as ``--name=value``.
    """
    if declared:
        return [Pool(ipaddress.ip_network(one), 24, "docker.address_pools") for one in declared]
    theirs = keys.get("default-address-pools")
    found = [("daemon.json", one) for one in theirs or () if isinstance(one, dict)]
    for flag in flags:
        name, _, value = flag.partition("=")
        if name == "--default-address-pool":
            said = dict(part.split("=", 1) for part in value.split(",") if "=" in part)
            found.append(("dockerd's flags", said))
    read = [_pool(one.get("base"), one.get("size"), origin) for origin, one in found]
    known = [pool for pool in read if pool]
    return known or [Pool(ipaddress.ip_network(b), size, OWN) for b, size in _OWN]


def fixed(keys: Mapping[str, Any], flags: Sequence[str]) -> dict[str, Network]:
    """Return the networks that are named for the default bridge, by key or flag.

    Args:
        keys: daemon.json as it will be.
        flags: dockerd's flags on the host, as ``--name=value``.
    """
    said = {name: keys[name] for name in _FIXED if name in keys}
    for flag in flags:
        name, _, value = flag.partition("=")
        if name.removeprefix("--") in _FIXED:
            said[name.removeprefix("--")] = value
    read = {name: network(value) for name, value in said.items()}
    return {name: one for name, one in read.items() if one}


def coming(pools: Sequence[Pool], taken: Sequence[Network], count: int) -> list[Network]:
    """Return the networks that Docker takes next: the first that overlap nothing that is taken.

    Args:
        pools: in their order.
        taken: networks that Docker passes over.
        count: how many.
    """
    free = (
        subnet
        for pool in pools
        for subnet in pool.subnets()
        if not any(overlap(subnet, one) for one in taken)
    )
    return list(islice(free, count))


def example(used: Sequence[Network]) -> str | None:
    """Return a network that overlaps none of those in use, None where we know of none."""
    for text in _EXAMPLES:
        if not any(overlap(ipaddress.ip_network(text), one) for one in used):
            return text
    return None


def network(text: Any) -> Network | None:
    """Read a network or an address with a prefix; None for anything else."""
    try:
        return ipaddress.ip_network(str(text).strip("\"'"), strict=False)
    except ValueError:
        return None


def _pool(base: Any, size: Any, origin: str) -> Pool | None:
    read = network(base)
    if read is None or not str(size).isdigit() or not read.prefixlen <= int(size):
        return None
    return Pool(read, int(size), origin) if int(size) <= read.max_prefixlen else None
