"""Facts about who keeps a host's clock."""

from __future__ import annotations

from pyinfra.api.facts import FactBase

OTHERS = ("chrony.service", "ntpsec.service", "ntp.service", "openntpd.service")
"""Time services that replace systemd-timesyncd (Debian's packages of them conflict with it)."""


class OtherClock(FactBase[str]):
    """The time service, active or enabled, that is not systemd-timesyncd; empty without one."""

    def command(self) -> str:
        """Ask systemd; a conflict can't leave two of them running."""
        return (
            f"for u in {' '.join(OTHERS)}; do "
            'systemctl is-active --quiet "$u" || systemctl is-enabled --quiet "$u" 2>/dev/null && '
            'echo "$u" && break; done; true'
        )

    def process(self, output: list[str]) -> str:
        """Take the one line."""
        return output[0] if output else ""

    @staticmethod
    def default() -> str:
        """No other."""
        return ""
