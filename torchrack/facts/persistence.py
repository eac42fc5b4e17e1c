"""Facts about nvidia-persistenced."""

from __future__ import annotations

from pyinfra.api.facts import FactBase

from torchrack.persistence import UNIT


class PackagedUnit(FactBase[str]):
    """The text of nvidia-persistenced's unit file without drop-ins; empty where there is none."""

    def command(self) -> str:
        """Ask systemd where the unit file is."""
        return f'cat "$(systemctl show -p FragmentPath {UNIT} | cut -d= -f2-)" 2>/dev/null || true'

    def process(self, output: list[str]) -> str:
        """Join the lines."""
        return "\n".join(output)
