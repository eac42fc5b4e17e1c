"""What a server's hardware is known by, as files on its disk."""

import json
from pathlib import Path

from lab import disk
from lab.state import Host


def test_a_disk_for_docker_and_dead_gpus(tmp_path: Path, host: Host) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/fstab").write_text("# none\n")
    disk.equip(tmp_path, host)
    assert not (tmp_path / "var").exists()
    disk.equip(tmp_path, host.model_copy(update={"docker_disk": 500, "lost_gpus": [0, 3]}))
    assert (tmp_path / "etc/fstab").read_text().splitlines()[1].split() == [
        "docker-disk", "/var/lib/docker", "tmpfs", "size=500M", "0", "0",
    ]  # fmt: skip
    state = json.loads((tmp_path / "var/lib/nvidia-lab/state.json").read_text())
    assert state == {"gpus": {"0": {"lost": True}, "3": {"lost": True}}}
