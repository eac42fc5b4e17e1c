"""Where a lab and its cache live."""

import hashlib
import os
import pwd
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def lab_dir() -> Path:
    """Return this lab's directory: `TORCHRACK_LAB`, or `.lab` in the repository."""
    return Path(os.environ.get("TORCHRACK_LAB") or REPOSITORY / ".lab").expanduser().absolute()


def cache_dir() -> Path:
    """Return the cache shared by all labs: `TORCHRACK_LAB_CACHE`, or ~/.cache/torchrack-lab.

    Under sudo the home is that of the person who called it, so that both share one cache.
    """
    configured = os.environ.get("TORCHRACK_LAB_CACHE")
    if configured:
        return Path(configured).expanduser().absolute()
    return _home() / ".cache" / "torchrack-lab"


def lab_id(directory: Path) -> str:
    """Return the six hex digits which stand for the lab in `directory`."""
    return hashlib.sha256(str(directory).encode()).hexdigest()[:6]


def _home() -> Path:
    uid = os.environ.get("SUDO_UID")
    if uid and os.geteuid() == 0:
        return Path(pwd.getpwuid(int(uid)).pw_dir)
    return Path.home()
