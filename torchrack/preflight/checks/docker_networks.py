"""Docker's networks, which must not cover anything that the host has to answer or to reach."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from torchrack.docker.engine import configuration
from torchrack.docker.networks import OWN, Network, Pool, coming, example, fixed, overlap, pools
from torchrack.errors import Problem
from torchrack.preflight.network import NetworkFacts, Route
from torchrack.preflight.subject import Subject
from torchrack.workloads.workload import network_name

_SHOWN = 4
_NEEDED = (
    "networks that are used nowhere else: as soon as a bridge of Docker has one, answers to its "
    "addresses no longer leave the host"
)


def free(subject: Subject) -> Iterator[Problem]:
    """No network that Docker is still to take covers the controller, or another place in use.

    Docker passes over networks that have a route on a link of the host, and over nameservers (moby,
    libnetwork/netutils: InferReservedNetworks). It knows nothing of what lies behind a gateway. A
    network that it has already is no problem: what it covers could not have asked.
    """
    facts = subject.facts.network
    keys = {**facts.keys, **configuration(subject.settings.docker)}
    used = _used(facts)
    named = fixed(keys, facts.flags)
    for name, network in named.items():
        if not _is_there(facts, network) and (hit := _within(used, network)):
            yield _problem(
                subject,
                f"{_shown(hit)} in {network}, which is Docker's {name}",
                f"give {name} another network{_for_example(facts, 'one within {}')}; in the "
                "settings, docker.extra says it",
            )
            break
    available = pools(subject.settings.docker.address_pools, keys, facts.flags)
    hits = _of_pools(subject, available, used, bridge="bip" not in named)
    if hits:
        where = ", ".join(dict.fromkeys(str(pool.base) for _, pool in hits))
        origin = hits[0][1].origin
        shown = list(dict.fromkeys(hit for hit, _ in hits))
        yield _problem(
            subject,
            f"{_shown(shown)} in {where}, out of which Docker takes its networks ({origin})",
            "set docker.address_pools to networks that nobody uses" + _for_example(facts, '["{}"]'),
        )


def _problem(subject: Subject, found: str, fix: str) -> Problem:
    return subject.problem("Docker's networks", found, _NEEDED, fix)


def _of_pools(
    subject: Subject, available: Sequence[Pool], used: dict[str, Network], *, bridge: bool
) -> list[tuple[str, Pool]]:
    """What is used within the networks that Docker could take: any, or the next ones.

    An engine that runs has its networks; only what it makes next counts. Before its first start,
    any of the pools' networks can come sooner or later.
    """
    facts = subject.facts.network
    taken = [route.to for route in facts.routes if route.on_link and not route.is_default]
    taken += [ipaddress.ip_network(address) for address in facts.nameservers]
    there = [route.to for route in facts.routes if route.device == "docker0" and route.on_link]
    next_: list[Network] | None = None
    if facts.docker_networks is not None or there:
        known = facts.docker_networks or frozenset()
        wanted = {network_name(one.name) for one in subject.settings.workloads.containers}
        inside = any(overlap(pool.base, one) for pool in available for one in there)
        moves = bridge and bool(there) and not inside  # docker0, at the next boot
        next_ = coming(available, taken, len(wanted - known) + moves)
    found = []
    for name, network in used.items():
        for pool in available:
            if _carved_out(pool, network):
                continue
            subnets = pool.subnets(network) if next_ is None else iter(next_)
            if any(
                overlap(subnet, network) and not any(overlap(subnet, one) for one in taken)
                for subnet in subnets
                if overlap(subnet, pool.base)
            ):
                found.append((name, pool))
                break
    return found


def _carved_out(pool: Pool, network: Network) -> bool:
    """Whether a pool is a part of a larger network, which somebody chose."""
    return pool.origin != OWN and network.prefixlen < pool.base.prefixlen


def _used(facts: NetworkFacts) -> dict[str, Network]:
    """What the host has to answer or to reach: a description to its network."""
    found: dict[str, Network] = {}
    if facts.client:
        where = "where this connection comes from"
        found[f"{facts.client} ({where})"] = ipaddress.ip_network(facts.client)
    for route in facts.routes:
        for gateway in route.via:
            found.setdefault(f"the gateway {gateway}", ipaddress.ip_network(gateway))
    for address in facts.nameservers:
        found[f"the nameserver {address}"] = ipaddress.ip_network(address)
    for name, addresses in facts.sites.items():
        for address in addresses:
            shown = name if name == str(address) else f"{name} ({address})"
            found[shown] = ipaddress.ip_network(address)
    for route in facts.routes:
        if _counts(route):
            what = "the host's own" if route.own else "the host's route to"
            found.setdefault(f"{what} {route.to}", route.to)
    return {name: one for name, one in found.items() if not _is_local(one)}


def _counts(route: Route) -> bool:
    return not (route.is_default or route.is_dockers)


def _is_local(network: Network) -> bool:
    return network.is_loopback or network.is_link_local or network.is_multicast


def _within(used: dict[str, Network], network: Network) -> list[str]:
    """What is used within a network; a larger one that it was taken out of does not count."""
    return [
        name
        for name, one in used.items()
        if overlap(one, network) and one.prefixlen >= network.prefixlen
    ]


def _is_there(facts: NetworkFacts, network: Network) -> bool:
    """Whether the default bridge has this network already."""
    there = [route.to for route in facts.routes if route.device == "docker0" and not route.own]
    return any(overlap(one, network) for one in there)


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return "; ".join(names[:_SHOWN]) + more


def _for_example(facts: NetworkFacts, form: str) -> str:
    used = [*_used(facts).values(), *(one.to for one in facts.routes if not one.is_default)]
    network = example(used)
    if network is None:
        return ", which no route of this host covers"
    return f", for example {form.format(network)}"
