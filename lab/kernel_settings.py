"""Settings of this machine's kernel that labs need, and their old values when the last lab goes."""

from pathlib import Path

_NEEDED = {
    "net/ipv4/ip_forward": 1,  # the way from the servers to the mirrors
    "fs/inotify/max_user_instances": 4096,  # each systemd takes about ten, of 128 for all servers
}


def raise_settings(memory: Path, root: Path = Path("/proc/sys")) -> None:
    """Raise what is too low, and note the old value in the directory `memory`."""
    for name, needed in _NEEDED.items():
        setting = root / name
        value = int(setting.read_text())
        if value < needed:
            (memory / name.replace("/", ".")).write_text(f"{value}\n")
            setting.write_text(f"{needed}\n")


def restore_settings(memory: Path, root: Path = Path("/proc/sys")) -> None:
    """Put the noted values back, and forget them."""
    for name in _NEEDED:
        note = memory / name.replace("/", ".")
        if note.exists():
            (root / name).write_text(note.read_text())
            note.unlink()
