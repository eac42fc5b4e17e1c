"""A workload moves from the loopback to all addresses, and a colleague holds the port on one.

Two containers may publish one port on two addresses of a host. A check that compares numbers alone
takes the colleague's port for ours, because ours has the same number; or refuses ports that do not
exclude each other (another protocol, another family).

Reference: https://github.com/docker/compose/issues/11169
Reference: https://github.com/Mailu/Mailu/issues/321
Kind: ports compared without address and protocol.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.test_preflight_checks import FACTS, SETTINGS
from tests.unit.test_preflight_facts import with_section
from torchrack.preflight.checks import ports
from torchrack.preflight.facts import Container, Listener
from torchrack.preflight.subject import Subject
from torchrack.settings import Port, Workload, Workloads
from torchrack.settings.addresses import overlap
from torchrack.settings.check import check_settings
from torchrack.settings.model import Settings, merge

EVERY = "0.0.0.0"  # noqa: S104 - compared, not listened on


def settings(**wanted: str | tuple[str, int]) -> Settings:
    """Workloads that publish port 8888 on an address, or another port of the loopback."""
    declared = []
    for name, where in wanted.items():
        address, number = (where, 8888) if isinstance(where, str) else where
        port = Port(container=80, host=number, address=address, public=True)
        declared.append(Workload(name=name, kind="container", image="pytorch", ports=[port]))
    return merge([SETTINGS, {"workloads": Workloads(containers=declared)}])


def holders(wanted: Settings, **facts: Any) -> list[str]:
    subject = Subject("gpu01", replace(FACTS, **facts), wanted, 1000.0, 1001.0)
    return [problem.found.removeprefix("in use by ") for problem in ports.free(subject)]


OURS = Container("notebook", "notebook", "127.0.0.1:8888->8888/tcp")
PROXY = Listener("127.0.0.1", 8888, 9, "docker-proxy")


def test_the_colleagues_container_counts() -> None:
    theirs = Container("anns-tool", "", "192.0.2.11:8888->80/tcp")
    sockets = (PROXY, Listener("192.0.2.11", 8888, 10, "docker-proxy"))
    wanted = settings(notebook=EVERY)
    assert holders(wanted, containers=(OURS, theirs), listeners=sockets) == [
        "the container anns-tool on 192.0.2.11"
    ]
    assert holders(wanted, containers=(OURS,), listeners=(PROXY,)) == []


@pytest.mark.parametrize(
    ("wanted", "socket", "counts"),
    [
        ("127.0.0.1", Listener("127.0.0.1", 8888, 7, "nginx"), True),
        ("127.0.0.1", Listener(EVERY, 8888, 7, "nginx"), True),
        ("127.0.0.1", Listener("::", 8888, 1, "systemd"), True),
        ("127.0.0.1", Listener("::", 8888, 7, "nginx", dual=False), False),
        ("127.0.0.1", Listener("192.0.2.9", 8888, 7, "nginx"), False),
        ("127.0.0.1", Listener("::1", 8888, 7, "nginx"), False),
        ("127.0.0.1", Listener("127.0.0.1", 8889, 7, "nginx"), False),
        (EVERY, Listener("192.0.2.9", 8888, 7, "nginx"), True),
        (EVERY, Listener("::1", 8888, 7, "nginx"), False),
        (EVERY, Listener("::", 8888, 7, "nginx"), True),
        ("::", Listener("::1", 8888, 7, "nginx"), True),
        ("::", Listener(EVERY, 8888, 7, "nginx"), False),
        ("2001:db8::1", Listener("::", 8888, 7, "nginx", dual=False), True),
    ],
)
def test_processes_count_where_the_sockets_exclude_each_other(
    wanted: str, socket: Listener, counts: bool
) -> None:
    found = holders(settings(notebook=wanted), listeners=(socket,))
    assert bool(found) == counts
    assert holders(settings(notebook=wanted), containers=(OURS,), listeners=(socket,)) == found


def test_beside_our_own_socket_one_on_both_families_is_of_ipv6_alone() -> None:
    sockets = (PROXY, Listener("::", 8888, 7, "nginx"))
    assert holders(settings(notebook="127.0.0.1"), containers=(OURS,), listeners=sockets) == []


@pytest.mark.parametrize(
    ("published", "counts"),
    [
        ("127.0.0.1:8888->80/tcp", True),
        ("0.0.0.0:8880-8890->1-11/tcp, [::]:8880-8890->1-11/tcp", True),
        (":::8888->80/tcp", False),
        ("[::]:8888->80/tcp", False),
        ("127.0.0.1:8888->53/udp", False),
        ("127.0.0.1:8888->53/udp, 127.0.0.1:8888->80/tcp", True),
        ("127.0.0.1:18888->80/tcp", False),
        ("8888/tcp", False),
        ("", False),
    ],
)
def test_containers_count_where_they_publish_the_same(published: str, counts: bool) -> None:
    theirs = Container("theirs", "", published)
    assert bool(holders(settings(notebook="127.0.0.1"), containers=(theirs,))) == counts


def test_a_socket_of_docker_without_a_container_is_somebodys() -> None:
    socket = Listener("127.0.0.1", 8888, 611, "dockerd")
    wanted = settings(notebook="127.0.0.1")
    assert holders(wanted, listeners=(socket,)) == ["dockerd (pid 611) on 127.0.0.1"]
    assert holders(wanted, listeners=(socket,), containers=(OURS,)) == []


def test_another_workload_of_ours_counts_unless_it_gives_the_port_up_before() -> None:
    other = Container("other", "other", "127.0.0.1:8888->80/tcp")
    free_first = settings(other=("127.0.0.1", 9999), notebook="127.0.0.1")
    assert holders(free_first, containers=(other,)) == []
    free_last = settings(notebook="127.0.0.1", other=("127.0.0.1", 9999))
    assert holders(free_last, containers=(other,)) == ["the workload other on 127.0.0.1"]
    assert holders(settings(notebook="127.0.0.1"), containers=(other,)) == [], "it goes first"


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "192.0.2.9", False),
        ("192.0.2.9", EVERY, True),
        ("::1", EVERY, False),
        ("::", EVERY, False),
        ("::", "2001:db8::1", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
    ],
)
def test_two_workloads_of_a_host(one: str, other: str, clash: bool) -> None:
    assert overlap(one, other) == overlap(other, one) == clash
    problems = check_settings("gpu01", settings(first=one, second=other))
    assert ["also published by" in problem.found for problem in problems] == [True] * clash


def test_sockets_of_ipv6_alone_are_told_from_the_others() -> None:
    lines = ("00000000000000000000000000000000 22B8 7 nginx", "==ports-v6only", "8888")
    assert with_section("ports", *lines).listeners == (Listener("::", 8888, 7, "nginx", False),)
