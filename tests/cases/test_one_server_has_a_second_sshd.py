"""A server has a second sshd with a host key of its own, which is in the inventory as well.

A rescue sshd on another port, or a container's that has the host's namespaces: no address and no
key says that it is one server. Deploys of both removed each other's containers.

Reference: https://github.com/ansible/ansible/issues/12971
Kind: hosts confused with each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.harness import BIN, Lab

_PORT = 2201
_KEY = "/run/second-sshd-key"


@pytest.fixture
def doubled(lab: Lab, tmp_path: Path) -> Iterator[str]:
    """An inventory in which gpu09 is gpu01, on another port."""
    lab.ssh(
        "gpu01",
        f"ssh-keygen -q -t ed25519 -N '' -f {_KEY} && "
        f"systemd-run -q --unit=second-sshd /usr/sbin/sshd -D -p {_PORT} -h {_KEY}",
    )
    try:
        key = lab.ssh("gpu01", f"cat {_KEY}.pub").stdout
        known = tmp_path / "second"
        known.write_text(f"[{lab.state['hosts']['gpu01']['address']}]:{_PORT} {key}")
        own = {"ssh_port": _PORT, "ssh_known_hosts_file": str(known)}
        path = lab.variant(tmp_path, f"lab_hosts.append(('gpu09', lab_hosts[0][1] | {own!r}))\n")
        lock = tmp_path / "lab.lock.yml"
        lock.write_text(lock.read_text().replace("[gpu01]", "[gpu01, gpu09]"))
        yield path
    finally:
        lab.ssh("gpu01", f"systemctl stop second-sshd; rm {_KEY} {_KEY}.pub")


def test_its_answers_say_so_before_the_first_change(lab: Lab, doubled: str) -> None:
    before = lab.ssh("gpu01", "docker ps -q --no-trunc | sort").stdout
    done = lab.deploy(inventory=doubled, check=False)
    assert done.rc != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert "2 problem(s) on 2 host(s)" in said
    assert "nothing was changed on any host" in said
    assert lab.ssh("gpu01", "docker ps -q --no-trunc | sort").stdout == before
    for command in ("plan", "lock", "drift"):
        done = lab.run(BIN / "torchrack", command, doubled, check=False)
        assert done.rc == 1, command
        assert "one boot of" in " ".join(done.output.split()), command
