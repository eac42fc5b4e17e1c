"""Which listening sockets exclude each other: by address, for one port and protocol. Pure."""

from __future__ import annotations

import ipaddress


def overlap(one: str, other: str, *, dual: bool = False) -> bool:
    """Whether two sockets of one port exclude each other.

    Docker binds ``0.0.0.0`` and ``::`` for one family each. A program's ``::`` takes IPv4 as well
    unless it sets IPV6_V6ONLY (ipv6(7)).

    Args:
        one: an IP address.
        other: another one.
        dual: whether ``one`` is a socket of a program that takes IPv4 as well where it is ``::``.
    """
    first, second = _address(one), _address(other)
    if first.version != second.version:
        wildcard, rest = (first, second) if first.version == 6 else (second, first)
        return dual and wildcard is first and wildcard.is_unspecified and rest.version == 4
    return first == second or first.is_unspecified or second.is_unspecified


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address without its zone, and an IPv4 address that is written as an IPv6 one as IPv4."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address
