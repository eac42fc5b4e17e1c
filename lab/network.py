"""A bridge for the lab, a network namespace for each of its servers, a way to the mirrors."""

import fcntl
import ipaddress
import json
import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.command import run, succeeds
from lab.errors import LabError
from lab.kernel_settings import raise_settings, restore_settings
from lab.state import Lab

# All that servers may reach on this machine. Each service has some to choose from: Debian's own
# registry service listens on 5000 of every address as soon as its package is installed.
REGISTRY_PORTS = range(5000, 5010)
MIRROR_PORTS = range(8080, 8090)
FIRST_HOST = 11

_RUN = Path("/run/torchrack-lab")
_BRIDGE_PREFIX = "trk"


def bridge_name(lab_id: str) -> str:
    """Return the name of a lab's bridge."""
    return f"{_BRIDGE_PREFIX}{lab_id}"


def namespace(lab: Lab, name: str) -> str:
    """Return the network namespace of the server `name`."""
    return f"{lab.bridge}-{name}"


def free_subnet(reserved: set[str]) -> str:
    """Return the first 10.86.N.0/24 that no interface has and that is not in `reserved`."""
    taken = {
        ipaddress.ip_interface(f"{entry['local']}/{entry['prefixlen']}").network
        for link in json.loads(run(["ip", "-j", "-4", "address", "show"]))
        for entry in link.get("addr_info", [])
        if "local" in entry
    } | {ipaddress.ip_network(subnet) for subnet in reserved}
    for number in range(1, 256):
        subnet = ipaddress.ip_network(f"10.86.{number}.0/24")
        if not any(subnet.overlaps(other) for other in taken):
            return str(subnet)
    raise LabError("every 10.86.N.0/24 is in use on this machine; destroy a lab")


def free_address(lab: Lab) -> str:
    """Return the first address on the lab's subnet that no server has."""
    taken = {host.address for host in lab.hosts.values()}
    hosts = list(ipaddress.ip_network(lab.subnet).hosts())
    for address in hosts[FIRST_HOST - 1 :]:
        if str(address) not in taken:
            return str(address)
    raise LabError(f"{lab.subnet} has no address left; a lab has at most {len(hosts)} servers")


def free_port(lab: Lab, ports: range) -> int:
    """Return the first of `ports` that nothing listens on at the lab's gateway."""
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((lab.gateway, port))
            except OSError:
                continue
            return port
    raise LabError(f"ports {ports.start} to {ports.stop - 1} are all in use; see `ss -ltnp`")


def up(lab: Lab) -> None:
    """Make the bridge, kernel settings and firewall rules of the lab, where they are missing."""
    with machine_lock():
        if not _exists(lab.bridge):
            run(["ip", "link", "add", lab.bridge, "type", "bridge"])
        if lab.gateway not in run(["ip", "-4", "address", "show", "dev", lab.bridge]):
            run(["ip", "address", "add", f"{lab.gateway}/24", "dev", lab.bridge])
        run(["ip", "link", "set", lab.bridge, "up"])
        raise_settings(_RUN)
        present = _rules(lab)
        for table, rule in _wanted_rules(lab):
            if (table, rule) not in present:
                where = "-A" if table == "nat" else "-I"
                run(["iptables", "-w", "-t", table, where, *rule])


def down(lab: Lab) -> None:
    """Remove every namespace, interface and rule of the lab; the last restores kernel settings."""
    with machine_lock():
        for name in namespaces(lab):
            run(["ip", "netns", "delete", name])
        if _exists(lab.bridge):
            run(["ip", "link", "delete", lab.bridge])
        for table, rule in _rules(lab):
            run(["iptables", "-w", "-t", table, "-D", *rule])
        if not other_labs():
            restore_settings(_RUN)


def attach(lab: Lab, name: str, address: str) -> None:
    """Make the network namespace of the server `name`, with eth0 on the bridge.

    One that is there already is made anew: it may be half of one.
    """
    detach(lab, name)
    netns = namespace(lab, name)
    veth = f"{lab.bridge}-{address.rpartition('.')[2]}"
    run(["ip", "netns", "add", netns])
    if _exists(veth):  # a namespace's interfaces vanish some time after it
        run(["ip", "link", "delete", veth])
    run(["ip", "link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", netns])
    run(["ip", "link", "set", veth, "master", lab.bridge, "up"])
    for words in (
        ["link", "set", "lo", "up"],
        ["address", "add", f"{address}/24", "dev", "eth0"],
        ["link", "set", "eth0", "up"],
        ["route", "add", "default", "via", lab.gateway],
    ):
        run(["ip", "-n", netns, *words])


def detach(lab: Lab, name: str) -> None:
    """Remove the network namespace of the server `name` if it is there."""
    if namespace(lab, name) in namespaces(lab):
        run(["ip", "netns", "delete", namespace(lab, name)])


def namespaces(lab: Lab) -> list[str]:
    """Return the names of the lab's network namespaces."""
    listed = run(["ip", "-j", "netns", "list"]).strip()
    names = [entry["name"] for entry in json.loads(listed or "[]")]
    return [name for name in names if name.startswith(f"{lab.bridge}-")]


def _wanted_rules(lab: Lab) -> list[tuple[str, tuple[str, ...]]]:
    tag = ("-m", "comment", "--comment", _tag(lab))
    ports = ",".join(f"{p.start}:{p.stop - 1}" for p in (REGISTRY_PORTS, MIRROR_PORTS))
    out, into = ("-i", lab.bridge), ("-o", lab.bridge)
    return [
        ("nat", ("POSTROUTING", "-s", lab.subnet, "!", "-d", lab.subnet, *tag, "-j", "MASQUERADE")),
        ("filter", ("FORWARD", *out, *tag, "-j", "ACCEPT")),
        ("filter", ("FORWARD", *into, *tag, "-j", "ACCEPT")),
        (
            "filter",
            (
                "INPUT",
                *out,
                "-p",
                "tcp",
                "-m",
                "multiport",
                "--dports",
                ports,
                *tag,
                "-j",
                "ACCEPT",
            ),
        ),
    ]


def _rules(lab: Lab) -> list[tuple[str, tuple[str, ...]]]:
    """Return the lab's rules that are in place, each a table and its words after -A."""
    found = []
    for table in ("nat", "filter"):
        for line in run(["iptables", "-w", "-t", table, "-S"]).splitlines():
            words = shlex.split(line)
            if words[0] == "-A" and _tag(lab) in words:
                found.append((table, tuple(words[1:])))
    return found


def _tag(lab: Lab) -> str:
    return f"torchrack-lab-{lab.id}"


def _exists(interface: str) -> bool:
    return succeeds(["ip", "link", "show", "dev", interface])


def other_labs() -> bool:
    """Return whether any lab of this machine is up."""
    links = json.loads(run(["ip", "-j", "link", "show", "type", "bridge"]) or "[]")
    return any(link.get("ifname", "").startswith(_BRIDGE_PREFIX) for link in links)


@contextmanager
def machine_lock() -> Iterator[None]:
    """Hold a lock among all labs of this machine: they share its firewall and kernel."""
    _RUN.mkdir(exist_ok=True)
    with (_RUN / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
