"""``torchrack plan`` asks real sshds, and leaves the hosts as they are."""

from __future__ import annotations

import json

from tests.lab.harness import BIN, INVENTORY, Lab


def footprint(lab: Lab) -> str:
    """A hash of all that apt and /etc hold on a host, names and times included."""
    places = "/etc /usr/local /var/lib/apt /var/lib/dpkg /var/cache/apt"
    # Blocks change when they are written to the disk; apt renews its cache by itself.
    listed = f"ls -AlR --time-style=full-iso {places} | grep -vE '^total |pkgcache.bin$'"
    return lab.ssh("gpu01", listed).stdout


def test_the_plan_of_two_hosts_changes_nothing(lab: Lab) -> None:
    before = footprint(lab)
    done = lab.run(BIN / "torchrack", "plan", INVENTORY, "--json", "--limit", "gpu01,gpu02")
    hosts = {host["name"]: host["answer"] for host in json.loads(done.stdout)["hosts"]}
    assert {name: answer["verdict"] for name, answer in hosts.items()} == {
        "gpu01": "ok",
        "gpu02": "ok",
    }
    assert hosts["gpu01"]["host"]["gpus"] == ["2335", "2335"]
    assert hosts["gpu01"]["host"]["system"] == "debian13"
    assert hosts["gpu02"]["host"]["system"] == "ubuntu2404"
    assert hosts["gpu02"]["contract"]["source"] == "cuda-repo"
    assert footprint(lab) == before
