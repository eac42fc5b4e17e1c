"""Docker's address pool holds the address that one works from.

An office or a VPN uses 172.18.x, or what docker.address_pools says. Docker knows only networks on
the server's own links, takes the rest for its bridges, and answers to the workstation end there:
the server can't be reached from it any more.

Reference: https://github.com/SORMAS-Foundation/SORMAS-Docker/issues/174
Reference: https://github.com/moby/moby/issues/37823
Reference: https://github.com/moby/moby/pull/42598
Kind: a stage that cuts off its own line.
"""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_preflight_checks import subject
from torchrack.operations.files import read
from torchrack.preflight.checks.docker_networks import free
from torchrack.preflight.network import parse
from torchrack.settings import Docker

BARE = (
    "route default via 10.1.0.1 dev eth0 proto dhcp src 10.1.0.5 metric 100",
    "route 10.1.0.0/24 dev eth0 proto kernel scope link src 10.1.0.5 metric 100",
    "route local 10.1.0.5 dev eth0 table local proto kernel scope host src 10.1.0.5",
    "route broadcast 10.1.0.255 dev eth0 table local proto kernel scope link src 10.1.0.5",
    "route local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1",
    "route fe80::/64 dev eth0 proto kernel metric 256 pref medium",
    "dns 10.1.0.1",
)
DOCKER0 = "route 172.17.0.0/16 dev docker0 proto kernel scope link src 172.17.0.1 linkdown"
OURS = ("bridge", "host", "none", "torchrack-notebook")


def problems(*lines: str, names: Any = None, bare: bool = True, **docker: Any) -> list[str]:
    facts = parse([*(BARE if bare else ()), *lines], names)
    settings = {"docker": Docker(source="distro", **docker)}
    return [str(one) for one in free(subject(settings, network=facts))]


def json_line(keys: Any) -> str:
    return "json " + base64.b64encode(b"\xef\xbb\xbf" + json.dumps(keys).encode()).decode()


@pytest.mark.parametrize(
    ("lines", "docker", "said"),
    [
        (
            ["client 10.200.0.9"],
            {"address_pools": ["10.200.0.0/16"]},
            "10.200.0.9 (where this connection comes from) in 10.200.0.0/16",
        ),
        (["client 172.17.5.9"], {}, "172.17.5.9 (where this connection comes from)"),
        (["client 172.31.255.1"], {}, " in 172.28.0.0/14"),
        (["client 192.168.178.20"], {}, " in 192.168.0.0/16"),
        (["client ::ffff:172.18.48.134"], {}, "172.18.48.134"),
        (["dns 10.1.0.1", "site registry.example 172.20.3.4"], {}, "registry.example (172.20.3.4)"),
        (["site proxy.example 192.168.9.9"], {}, "proxy.example (192.168.9.9)"),
        (["route 172.16.0.0/12 via 10.1.0.9 dev eth0"], {}, "the host's route to 172.16.0.0/12"),
        (["route 172.22.1.0/24 dev wg0 table 51820"], {}, "the host's route to 172.22.1.0/24"),
        (["route 172.22.1.0/24 via 10.8.0.1 dev tun0"], {}, "172.22.1.0/24"),
        (["client 10.9.0.7"], {"extra": {"bip": "10.9.0.1/16"}}, "which is Docker's bip"),
        (["client 10.9.0.7"], {"extra": {"fixed-cidr": "10.9.0.0/24"}}, "Docker's fixed-cidr"),
        (
            ["client 2001:db8:9::7"],
            {"extra": {"ipv6": True, "fixed-cidr-v6": "2001:db8:9::/64"}},
            "Docker's fixed-cidr-v6",
        ),
        (["client 10.9.0.7", json_line({"bip": "10.9.0.1/16"})], {}, "which is Docker's bip"),
        (["client 10.9.0.7", "flag --bip=10.9.0.1/16"], {}, "which is Docker's bip"),
        (["client 10.9.0.7", "flag --bip 10.9.0.1/16"], {}, "which is Docker's bip"),
        (
            ["client 10.9.0.7", "flag --default-address-pool base=10.9.0.0/16,size=24"],
            {},
            "dockerd's flags",
        ),
        (
            [
                "client 10.9.0.7",
                json_line({"default-address-pools": [{"base": "10.9.0.0/16", "size": 24}]}),
            ],
            {},
            "daemon.json",
        ),
    ],
)
def test_what_docker_would_cover_is_refused(
    lines: list[str], docker: dict[str, Any], said: str
) -> None:
    (text,) = problems(*lines, **docker)
    assert said in text
    assert "for example" in text


@pytest.mark.parametrize(
    ("lines", "docker"),
    [
        ([], {}),
        (["client 10.1.0.7"], {}),
        (["client"], {}),  # not known
        (["client fe80::1%eth0"], {}),
        (["client 203.0.113.5"], {}),
        # Docker passes over what is on a link, and over nameservers.
        (["client 172.17.0.9", "route 172.17.0.0/24 dev eth1 scope link src 172.17.0.2"], {}),
        (["client 192.168.1.9", "route 192.168.1.0/24 dev eth1 scope link src 192.168.1.2"], {}),
        (["dns 172.17.0.2"], {}),
        # A part of a VPN's large network, or of everything, was chosen on purpose.
        (["route 10.0.0.0/8 via 10.1.0.9 dev tun0"], {"address_pools": ["10.200.0.0/16"]}),
        (["route 0.0.0.0/1 via 10.8.0.1 dev tun0", "route 128.0.0.0/1 via 10.8.0.1 dev tun0"], {}),
        (["route blackhole 172.17.0.0/16 proto static"], {}),
        (["client 172.17.5.9"], {"address_pools": ["10.200.0.0/16"]}),
        (["client 10.9.0.7", json_line(["no object"]), "json bm8="], {}),
    ],
)
def test_what_it_would_not_cover_is_let_through(lines: list[str], docker: dict[str, Any]) -> None:
    assert problems(*lines, **docker) == []


@pytest.mark.parametrize("client", ["192.168.5.7", "172.18.0.9", "172.30.0.1"])
def test_a_server_that_has_its_networks_stays_in_sync(client: str) -> None:
    assert problems(DOCKER0, f"client {client}", names=OURS) == []


def test_only_the_next_networks_of_a_running_engine_count() -> None:
    lines = (DOCKER0, "route 172.18.0.0/16 dev br-0123456789ab proto kernel scope link")
    lacking = ("bridge", "host", "none")
    assert problems(*lines, "client 172.20.0.9", names=lacking) == []
    (text,) = problems(*lines, "client 172.19.0.9", names=lacking)
    assert "172.19.0.9" in text


def test_the_default_bridge_that_moves_at_the_next_boot() -> None:
    there = (DOCKER0, "client 10.200.0.9")
    (text,) = problems(*there, names=OURS, address_pools=["10.200.0.0/16"])
    assert "10.200.0.9" in text
    assert problems(*there, names=OURS, address_pools=["10.213.0.0/16"]) == []


def test_the_example_is_free_itself() -> None:
    vpn = ("route 10.0.0.0/8 via 10.1.0.9 dev tun0", "client 172.17.0.9")
    (text,) = problems(*vpn)
    assert '["172.30.0.0/16"]' in text
    everything = (*vpn, "route 172.16.0.0/12 via 10.1.0.9", "route 192.168.0.0/16 via 10.1.0.9")
    (text,) = problems(*everything)
    assert "which no route of this host covers" in text


def test_flags_are_found_in_drop_ins(tmp_path: Path) -> None:
    (tmp_path / "10-network.conf").write_text(
        "[Service]\n# --bip=10.1.0.1/16\nExecStart=\n"
        "ExecStart=/usr/bin/dockerd -H fd:// --bip 10.9.0.1/16 \\\n"
        '  --default-address-pool "base=10.8.0.0/16,size=24" --fixed-cidr=10.9.1.0/24\n'
    )
    script = read("preflight/facts.sh")
    begin = script.index("set -- /etc/systemd/system/docker.service.d")
    search = script[begin : script.index('cat "$dir/sites"')]
    search = search.replace("/etc/systemd/system/docker.service.d", str(tmp_path))
    said = subprocess.check_output(
        ["/bin/sh", "-c", f"docker_source=docker-ce\n{search}"], text=True
    )
    assert parse(said.splitlines(), None).flags == (
        "--bip=10.9.0.1/16",
        "--default-address-pool=base=10.8.0.0/16,size=24",
        "--fixed-cidr=10.9.1.0/24",
    )


def test_the_client_is_found_above_sudo() -> None:
    script = read("preflight/facts.sh")
    begin = script.index("pid=$$ client=")
    search = script[begin : script.index("for family in -4")]
    said = subprocess.check_output(
        ["/bin/sh", "-c", 'env -i /bin/sh -c "$0"; :', search],
        env={"SSH_CONNECTION": "192.0.2.7 50022 192.0.2.1 22", "PATH": "/usr/bin:/bin"},
        text=True,
    )
    assert said == "client 192.0.2.7\n"
