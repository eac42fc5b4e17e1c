"""inventories/lab.py: the lab's servers, and those that were onboarded."""

import json
from pathlib import Path

import pytest

from lab import ca
from lab.state import Lab
from torchrack.hosts_file import Entry, add
from torchrack.inventory import load_fleet, load_open

INVENTORY = Path(__file__).parents[3] / "inventories" / "lab.py"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJMJOfG622QxvxP6VGTQiuH2k4Q3Edsw4cz8cdD1JLSv\n"


@pytest.fixture
def folder(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab with a server of its fleet and one that is to be onboarded."""
    ca.ensure(lab)
    folder = lab.directory
    for path in (lab.known_hosts, folder / "lab.known_hosts", folder / "key", folder / "key.pub"):
        path.write_text(KEY)
    image = {"reference": "192.0.2.1:5000/torchrack/image:1", "digest": "sha256:" + "0" * 64}
    server = {"port": 22, "user": "debian", "key_file": str(folder / "key")}
    state = {
        "images": {"pytorch": image, "tools": image},
        "ssh_key": str(folder / "key"),
        "known_hosts": str(lab.known_hosts),
        "ca_cert": str(lab.ca_cert),
        "gateway": "192.0.2.1",
        "subnet": "192.0.2.0/24",
        "mirror": {
            "uri": "http://192.0.2.1:8080",
            "key_file": str(folder / "key"),
            "key_fingerprint": "0" * 40,
        },
        "registry": {
            "address": "192.0.2.1:5000",
            "ca_cert": str(lab.ca_cert),
            "pull_user": "puller",
            "pull_password_file": str(folder / "key"),
        },
        "hosts": {
            "gpu01": {"address": "192.0.2.11", **server},
            "new": {"address": "192.0.2.13", "newcomer": True, **server},
        },
    }
    (folder / "state.json").write_text(json.dumps(state))
    monkeypatch.setenv("TORCHRACK_LAB", str(folder))
    return folder


def test_a_newcomer_is_none_of_the_fleet_until_it_is_onboarded(folder: Path) -> None:
    hosts, (group,) = load_open(INVENTORY)
    assert [host.name for host in hosts] == ["gpu01"]
    assert group.hosts_file == folder / "lab.hosts.yml"
    add(group.hosts_file, group.name, "new", Entry(address="192.0.2.13"))
    first, second = load_fleet(INVENTORY)
    assert (second.name, second.data["ssh_user"]) == ("new", "torchrack")
    assert second.data["ssh_known_hosts_file"] == str(folder / "lab.known_hosts")
    assert second.settings.images == first.settings.images
    assert [one.name for one in second.settings.workloads.containers] == ["notebook"]


def test_a_server_that_was_onboarded_is_the_one_that_was_written_down(folder: Path) -> None:
    add(folder / "lab.hosts.yml", "lab_hosts", "gpu01", Entry(address="192.0.2.11", user="ops"))
    (host,) = load_fleet(INVENTORY)
    assert host.data["ssh_user"] == "ops"
