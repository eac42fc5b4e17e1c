"""A lab on paper: its state, without network, disks or processes."""

from pathlib import Path

import pytest

from lab.state import Host, Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(
        id="a1b2c3",
        bridge="trka1b2c3",
        subnet="10.86.7.0/24",
        gateway="10.86.7.1",
        ssh_key=tmp_path / "keys/id_ed25519",
        known_hosts=tmp_path / "known_hosts",
        ca_cert=tmp_path / "ca/ca.crt",
        directory=tmp_path,
    )


@pytest.fixture
def host(lab: Lab) -> Host:
    return Host(
        address="10.86.7.11",
        user="debian",
        login="key",
        key_file=lab.ssh_key,
        os="debian13",
        gpus=["h200:2"],
        host_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIl4qR8jEVWvd6aBjB9d09BFvPqVjboDlwRe86/FNTm5",
        host_key_sha256="SHA256:7iu+SUcMXHRWOwRmWGbuICAyNCoI0WveSmpwI+i2AFw",
    )
