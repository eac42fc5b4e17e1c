"""A server that was told at its first boot: cloud-init itself does what the user data says."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.harness import ROOT, Done, Lab, finished, wait_for
from torchrack.onboard.model import Newcomer
from torchrack.onboard.prepare import prepare

HOST = "gpu04"
SEED = "/var/lib/cloud/seed/nocloud"


class Prepared:
    """A server that booted with our user data, and what was made for it here."""

    def __init__(self, folder: Path, address: str) -> None:
        self.address = address
        self.key, self.pins = folder / "key", folder / "known_hosts"
        self.user_data = folder / "gpu04.user-data.yml"
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key]
        subprocess.run(make, check=True)
        self.fingerprint = prepare(
            Newcomer(HOST, address, "nobody"),
            self.key.with_name("key.pub").read_text(),
            kind="cloud-init",
            output=self.user_data,
            known_hosts=self.pins,
        )

    def ssh(self, command: str, user: str = "torchrack") -> Done:
        """Log in with the key, and only to a server with the pinned host key."""
        options = [
            "BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={self.pins}", "GlobalKnownHostsFile=/dev/null",
        ]  # fmt: skip
        words = ["ssh", "-F", "/dev/null", "-i", self.key, *(f"-o{one}" for one in options)]
        asked = [*words, f"{user}@{self.address}", command]
        return finished(asked, where=ROOT, environment=None, timeout=60)


@pytest.fixture(scope="module")
def prepared(bare_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    bare_lab.lab("new", HOST, "--os", "debian13", "--gpus", "rtx4090:1", "--login", "key")
    try:
        address = bare_lab.state["hosts"][HOST]["address"]
        made = Prepared(tmp_path_factory.mktemp("prepared"), address)
        text = base64.b64encode(made.user_data.read_bytes()).decode()
        bare_lab.ssh(
            HOST,
            "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update; "
            "apt-get -qq -y install --no-install-recommends cloud-init; "
            # The lab's network is none of cloud-init's.
            'echo "network: {config: disabled}" > /etc/cloud/cloud.cfg.d/99-lab.cfg; '
            f'mkdir -p {SEED}; echo "instance-id: first" > {SEED}/meta-data; '
            f"echo {text} | base64 -d > {SEED}/user-data",
            timeout=300,
        )
        bare_lab.ssh(HOST, "systemctl reboot", check=False)  # the connection may end first
        wait_for(lambda: made.ssh("true").rc == 0, "the first login with the pinned host key")
        yield made
    finally:
        bare_lab.lab("remove", HOST)


def test_cloud_init_takes_all_of_it(prepared: Prepared) -> None:
    assert prepared.ssh("sudo -n cloud-init status --wait").stdout.strip() == "status: done"
    assert "Valid schema" in prepared.ssh(f"sudo -n cloud-init schema -c {SEED}/user-data").output


def test_the_host_key_is_the_only_one(prepared: Prepared) -> None:
    shown = prepared.ssh("for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done")
    assert [line.split()[1] for line in shown.stdout.splitlines()] == [prepared.fingerprint]


def test_the_admin_logs_in_by_key_alone_and_is_root_by_sudo(prepared: Prepared) -> None:
    assert prepared.ssh("sudo -n id -u").stdout == "0\n"
    assert prepared.ssh("sudo -n passwd -S torchrack").stdout.split()[1] == "L"
    effective = prepared.ssh("sudo -n sshd -T").stdout
    assert "passwordauthentication no\n" in effective
    assert prepared.ssh("sudo -n test -s /root/.ssh/authorized_keys").rc == 1
    assert prepared.ssh("true", user="root").rc == 255
