"""Kernel settings: raised where too low, and put back as they were."""

from __future__ import annotations

from pathlib import Path

from lab.kernel_settings import raise_settings, restore_settings


def test_only_what_was_raised_is_put_back(tmp_path: Path) -> None:
    root, memory = tmp_path / "sys", tmp_path / "memory"
    memory.mkdir()
    forward, instances = root / "net/ipv4/ip_forward", root / "fs/inotify/max_user_instances"
    for setting, value in ((forward, "1"), (instances, "128")):
        setting.parent.mkdir(parents=True)
        setting.write_text(f"{value}\n")

    raise_settings(memory, root)
    assert (forward.read_text(), instances.read_text()) == ("1\n", "4096\n")
    raise_settings(memory, root)
    forward.write_text("0\n")
    restore_settings(memory, root)
    assert (forward.read_text(), instances.read_text()) == ("0\n", "128\n")
    assert list(memory.iterdir()) == []
