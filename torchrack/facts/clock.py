"""Facts about who keeps a host's clock."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra.api.facts import FactBase

from torchrack.facts.sshd import pairs

OTHERS = ("chrony.service", "ntpsec.service", "ntp.service", "openntpd.service")
"""Time services that replace systemd-timesyncd (Debian's packages of them conflict with it)."""


@dataclass(frozen=True)
class ClockState:
    """Who keeps the clock.

    Args:
        other: another active service than systemd-timesyncd, or empty.
        container: the host is a container, whose clock is the outer machine's: systemd-timesyncd
            does not start there (its unit has ConditionVirtualization=!container).
    """

    other: str
    container: bool


class Clock(FactBase[ClockState]):
    """The time service in charge."""

    def command(self) -> str:
        """Ask systemd."""
        return (
            f"for u in {' '.join(OTHERS)}; do "
            'systemctl is-active --quiet "$u" && echo "other=$u" && break; done; '
            "echo container=$(systemd-detect-virt --container)"
        )

    def process(self, output: list[str]) -> ClockState:
        """Parse both lines."""
        values = pairs(output)
        return ClockState(
            other=values.get("other", ""), container=values["container"] not in ("none", "")
        )
