"""ssh_config leads the address of one host to another one, which is in the fleet as well.

Laptops have blocks like ``Match localnetwork 192.0.2.0/24`` with a HostName for home. paramiko
applies a block whose criteria it does not know. The pinned key was looked up under the name that
ssh_config made of the address, so that it fitted, and one host got the settings of another.

Reference: https://github.com/paramiko/paramiko/issues/2632
Kind: ssh_config read otherwise than OpenSSH reads it; hosts confused with each other.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.api.exceptions import ConnectError

from tests.unit.ssh_server import Rules, serving
from torchrack.connect import connection_data
from torchrack.errors import Problem
from torchrack.inventory import FleetHost
from torchrack.onboard import pins
from torchrack.onboard.probe import probe
from torchrack.remote import across
from torchrack.settings.model import merge
from torchrack.ssh_client import SSHClient

ONE, OTHER = paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate()
RELAY = """
import socket, sys, threading, os
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 4096): s.sendall(data)
    s.shutdown(1)
threading.Thread(target=up, daemon=True).start()
while data := s.recv(4096): os.write(1, data)
"""
"""netcat, which is not on every machine."""


class Fleet:
    """Two servers at two addresses and one port, each with its pinned key."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.known_hosts = folder / "fleet.known_hosts"
        self.login = folder / "login"
        self.config = folder / ".ssh" / "config"
        self.config.parent.mkdir(mode=0o700)

    def host(self, address: str = "127.0.0.1") -> FleetHost:
        data = connection_data(
            address=address,
            port=self.port,
            user="torchrack",
            known_hosts=str(self.known_hosts),
            key=str(self.login),
            agent=False,
        )
        data |= {"ssh_connect_retries": 0}
        return FleetHost("rs1", data, merge([]))

    def asked(self, address: str = "127.0.0.1") -> str:
        """What the server says that torchrack's own commands log in to."""
        found = across([self.host(address)], lambda session: session.run("hostname").out[0])["rs1"]
        return found.found if isinstance(found, Problem) else found

    def connected(self, address: str = "127.0.0.1") -> str:
        """The fingerprint of the server that pyinfra's connector logs in to, or what it says."""
        inventory = Inventory(([("rs1", self.host(address).data)], {}))
        State(inventory, Config(CONNECT_TIMEOUT=5))
        host = inventory.get_host("rs1")
        try:
            host.connect(raise_exceptions=True)
        except ConnectError as error:
            return str(error)
        client = host.connector.client
        assert isinstance(client, SSHClient)
        with client:
            return pins.fingerprint(client.get_transport().get_remote_server_key())


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    key = paramiko.RSAKey.generate(2048)
    monkeypatch.setenv("HOME", str(tmp_path))
    one = Rules(key=key, replies={"sudo": (0, b"rs1\n", b"")})
    other = Rules(key=key, replies={"sudo": (0, b"hard1\n", b"")})
    with serving(one, ONE) as port, serving(other, OTHER, "127.0.0.2", port):
        made = Fleet(tmp_path, port)
        key.write_private_key_file(str(made.login))
        pins.pin(made.known_hosts, "127.0.0.1", port, ONE)
        pins.pin(made.known_hosts, "127.0.0.2", port, OTHER)
        yield made


@pytest.mark.parametrize(
    "block",
    [
        "Host 127.0.0.1",
        "Match all",
        "Match host 127.0.0.1",
        "Match host=127.0.0.1",
        "Match originalhost 127.0.0.1 user torchrack",
        'Match exec "true"',
    ],
)
def test_no_block_that_holds_leads_to_another_member_unnoticed(fleet: Fleet, block: str) -> None:
    fleet.config.write_text(f"{block}\n  HostName 127.0.0.2\n")
    assert "the key of 127.0.0.2, where ssh_config leads 127.0.0.1" in fleet.asked()
    assert "Host key for" in fleet.connected()


@pytest.mark.parametrize("way", ["ProxyCommand {relay} {address} %p", "HostName {address}"])
@pytest.mark.parametrize(("address", "said"), [("127.0.0.1", "rs1"), ("127.0.0.2", "key")])
def test_whatever_the_way_the_key_is_that_of_the_inventory(
    fleet: Fleet, way: str, address: str, said: str
) -> None:
    script = fleet.config.parent / "relay.py"
    script.write_text(RELAY)
    line = way.format(relay=f"{sys.executable} {script}", address=address)
    fleet.config.write_text(f"Host *\n  HostKeyAlias 127.0.0.2\n  {line}\n")
    assert said in fleet.asked()
    connected = pins.fingerprint(ONE) if said == "rs1" else "Host key for"
    assert connected in fleet.connected()


@pytest.mark.parametrize(
    "block",
    [
        "Match localnetwork 203.0.113.0/24",
        "Match tagged home",
        "Match version OpenSSH_1*",
        "Match sessiontype none",
        "Match command nothing",
        'Match exec "false"',
        "Match !all",
        "Match localuser somebody-else",
        "Match canonical all",
        "Match originalhost 127.0.0.1 !final exec false",
        "Host * !127.0.0.1",
    ],
)
def test_a_block_that_does_not_hold_is_never_applied(fleet: Fleet, block: str) -> None:
    # An OpenSSH that does not know a criterion refuses the file; then so do we.
    fleet.config.write_text(f"{block}\n  HostName 127.0.0.2\n")
    said = fleet.asked()
    assert said == "rs1" or ("ssh_config: " in said and "line 1" in said)
    assert "hard1" not in said
    if said != "rs1":
        assert "ssh_config: " in fleet.connected()


def test_an_alias_is_reached_and_known_by_its_own_name(fleet: Fleet) -> None:
    fleet.config.write_text("Host gpu01\n  HostName 127.0.0.1\n  Port 9\n  User nobody\n")
    pins.pin(fleet.known_hosts, "gpu01", fleet.port, ONE)
    assert f"[gpu01]:{fleet.port} " in fleet.known_hosts.read_text()
    assert fleet.asked("gpu01") == "rs1"
    assert fleet.connected("gpu01") == pins.fingerprint(ONE)
    assert probe("gpu01", fleet.port).key == ONE


def test_a_key_under_the_resolved_name_is_told_with_the_command_that_pins_it(fleet: Fleet) -> None:
    """Fleets whose keys were pinned before, under what ssh_config makes of the address."""
    fleet.config.write_text("Host gpu01\n  HostName 127.0.0.1\n")
    before = fleet.known_hosts.read_text()
    said = fleet.asked("gpu01")
    assert f"No host key for [gpu01]:{fleet.port}" in said
    command = said.rpartition("right server: ")[2]
    assert command in fleet.connected("gpu01")
    subprocess.run(["sh", "-c", command], check=True)
    assert fleet.known_hosts.read_text().startswith(before)
    assert pins.pinned(fleet.known_hosts, "gpu01", fleet.port) == [ONE]
    assert "Host key for" not in fleet.asked("gpu01")
