"""Who and when, on a real host: told by its own records, in one more trip that changes nothing."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from tests.lab.harness import BIN, INVENTORY, Lab

HOST = "gpu01"
NOUVEAU = "/etc/modprobe.d/torchrack-nouveau.conf"
TOOLKIT = " ".join(
    f"{name}=$v"
    for name in (
        "nvidia-container-toolkit",
        "nvidia-container-toolkit-base",
        "libnvidia-container-tools",
        "libnvidia-container1",
    )
)
# What a trip could leave behind. Not looked at: the journal, which notes our login, and the time of
# /tmp itself, where containerd keeps a file as long as docker exec or a health check runs.
SNAPSHOT = (
    "find /etc /usr /opt /root /home /boot /var/lib /var/cache /tmp /run/torchrack -xdev "
    "-not -path /tmp -not -path '/tmp/runc-process*' "
    "-not -path '/var/lib/docker/*' -not -path '/var/lib/containerd/*' "
    "-not -path '/var/lib/systemd/*' "
    "-not -path '/var/lib/nvidia-lab/*' -printf '%p %i %m %u %g %s %T@ %C@\\n' 2>/dev/null | sort; "
    "docker ps -a --no-trunc --format '{{.ID}} {{.State}}'; dpkg -l"
)


@pytest.fixture
def harmed(lab: Lab) -> dict[str, dict[str, Any]]:
    """Findings by id, after things were changed by hand and mended again."""
    lab.deploy()
    lab.ssh(
        HOST,
        f"echo '# by hand' >> {NOUVEAU}; apt-mark unhold libcuda1; "
        "systemctl stop apt-daily.timer; docker update --pids-limit 77 notebook; "
        "v=$(apt-cache madison nvidia-container-toolkit | awk 'NR == 1 {print $3}'); "
        f"apt-get -q -y --allow-change-held-packages -o Dpkg::Use-Pty=0 install {TOOLKIT}",
    )
    before = lab.ssh(HOST, SNAPSHOT).stdout
    try:
        done = lab.run(BIN / "torchrack", "drift", INVENTORY, "--json", check=False)
        assert lab.ssh(HOST, SNAPSHOT).stdout == before
    finally:
        lab.run(BIN / "torchrack", "drift", "fix", INVENTORY, "--yes", check=False)
    result = json.loads(done.stdout)
    (host,) = [one for one in result["hosts"] if one["name"] == HOST]
    # Three at most where nothing is remembered, and one to learn who it was.
    assert 2 <= host["round_trips"] <= 4
    return {one["id"]: one for one in result["findings"]}


def test_the_host_tells_who_and_when(lab: Lab, harmed: dict[str, dict[str, Any]]) -> None:
    user = lab.state["hosts"][HOST]["user"]
    found = {
        id_: harmed[id_]
        for id_ in (
            f"base.file:{NOUVEAU}.content",
            "base.unit:apt-daily.timer.running",
            "driver.package:libcuda1.held",
            "toolkit.package:nvidia-container-toolkit.version",
        )
    }
    for id_, one in found.items():
        assert one["who"].startswith(f"{user} ("), (id_, one["who"])
        age = dt.datetime.now(dt.timezone.utc) - dt.datetime.fromisoformat(one["when"])
        assert dt.timedelta(0) <= age < dt.timedelta(minutes=10), id_
    assert "apt-get" in found["toolkit.package:nvidia-container-toolkit.version"]["who"]
    assert any(id_.startswith("workloads.container:notebook") for id_ in harmed)
