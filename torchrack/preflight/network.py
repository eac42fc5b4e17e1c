"""Where a host's answers go: routes, nameservers, and whom it has to answer. Parsed."""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torchrack.docker.networks import Address, Network, network

_DOCKERS = re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}|veth\w+")
_NO_NETWORK = ("broadcast", "multicast", "anycast", "unreachable", "blackhole", "prohibit", "throw")


@dataclass(frozen=True)
class Route:
    """A route of any table, as ``ip route`` shows it.

    Args:
        to: where it leads.
        via: its gateways.
        device: its interface, "" for several.
        on_link: whether what it leads to is reached without a gateway, in the main table.
        own: whether it is an address of the host itself.
    """

    to: Network
    via: tuple[Address, ...] = ()
    device: str = ""
    on_link: bool = False
    own: bool = False

    @property
    def is_default(self) -> bool:
        """Whether it leads everywhere; VPNs write 0.0.0.0/1 and the like in its place."""
        return self.to.prefixlen < (8 if self.to.version == 4 else 16)

    @property
    def is_dockers(self) -> bool:
        """Whether it leads to a bridge of Docker."""
        return _DOCKERS.fullmatch(self.device) is not None


@dataclass(frozen=True)
class NetworkFacts:
    """What decides whether a network is free for Docker.

    Args:
        client: the address that our connection comes from, as the host sees it: this machine's,
            or the jump host's; None where it is not known.
        routes: of all tables.
        nameservers: addresses in resolv.conf.
        sites: name to addresses of mirrors, registries and proxies, as the host resolves them.
        keys: the host's daemon.json; empty where there is none that can be read.
        flags: dockerd's flags in drop-ins of its unit, as ``--name=value``.
        docker_networks: names of Docker's networks; None without a running engine.
    """

    client: Address | None = None
    routes: tuple[Route, ...] = ()
    nameservers: tuple[Address, ...] = ()
    sites: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    keys: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    docker_networks: frozenset[str] | None = None


def parse(lines: Iterable[str], names: Iterable[str] | None) -> NetworkFacts:
    """Read the sections ``network`` and ``networks``; a line that is none of ours is left out.

    Args:
        lines: each with its kind in front.
        names: of Docker's networks; None without a running engine.
    """
    said: dict[str, list[str]] = {}
    for line in lines:
        kind, _, rest = line.partition(" ")
        said.setdefault(kind, []).append(rest.strip())
    sites: dict[str, tuple[Address, ...]] = {}
    for name, _, text in (one.partition(" ") for one in said.get("site", ())):
        if address := _address(text):
            sites[name] = (*sites.get(name, ()), address)
    return NetworkFacts(
        client=_address((said.get("client") or [""])[0]),
        routes=tuple(filter(None, map(_route, said.get("route", ())))),
        nameservers=tuple(filter(None, map(_address, said.get("dns", ())))),
        sites=sites,
        keys=_keys((said.get("json") or [""])[0]),
        flags=tuple(
            re.sub(r"^(--[\w-]+)[ =]\s*['\"]?", r"\1=", one) for one in said.get("flag", ())
        ),
        docker_networks=None if names is None else frozenset(names),
    )


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _route(line: str) -> Route | None:
    """Read ``[type] PREFIX [via G] [dev D] [table T] [scope S]``; a nexthop each where several."""
    words = line.replace("\\", " ").split()
    kind = words.pop(0) if words and words[0] in (*_NO_NETWORK, "local", "unicast", "nat") else ""
    if not words or kind in _NO_NETWORK:
        return None
    gateways = [_address(g) for g in re.findall(r"\bvia (?:inet6? )?(\S+)", line)]
    devices = set(re.findall(r"\bdev (\S+)", line))
    to = words[0]
    if to == "default":
        to = "::/0" if any(g and g.version == 6 for g in gateways) else "0.0.0.0/0"
    read = network(to)
    if read is None:
        return None
    table = re.search(r"\btable (\S+)", line)
    main = table is None or table[1] in ("main", "254")
    # IPv6 shows no scope: there a route without a gateway is on the link.
    direct = " scope link" in line or (read.version == 6 and not gateways)
    return Route(
        to=read,
        via=tuple(g for g in gateways if g),
        device=devices.pop() if len(devices) == 1 else "",
        on_link=main and direct and kind in ("", "unicast"),
        own=kind == "local",
    )


def _keys(text: str) -> dict[str, Any]:
    try:
        read = json.loads(base64.b64decode(text).decode("utf-8-sig"))
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
