"""Unattended security upgrades, with the GPU stack, the engine and the kernel kept out."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.base.held_back import kernel_packages, table
from torchrack.difference import differs
from torchrack.errors import HostError, Problem
from torchrack.facts.gather import gather
from torchrack.facts.packages import Packages
from torchrack.facts.upgrades import AptConfig, AptConfiguration
from torchrack.operations import files
from torchrack.operations.guard import Commands, operation

CONF = "/etc/apt/apt.conf.d/90torchrack-unattended-upgrades"
MAIN = "/etc/apt/apt.conf"
"""Read after all of apt.conf.d."""


@operation
def unattended(*, enabled: bool) -> Commands:
    """Let security upgrades go on by themselves, but block what must move together.

    Verified afterwards on ``apt-config dump``: a file that sorts later may say otherwise.

    Args:
        enabled: whether they are kept on; the blocks stand either way.
    """
    content = files.render(
        "base/90torchrack-unattended-upgrades.j2", enabled=enabled, blocked=table().blocked
    )
    yield from files.put._inner(dest=CONF, content=content, validate="apt-config -c {} dump >&-")
    config = gather(AptConfig)
    problem = upgrade_problem(config, enabled)
    if problem is not None:
        found, needed = problem
        raise HostError(
            Problem(
                where=host.name,
                what="Unattended upgrades (apt-config dump)",
                found=found,
                needed=needed,
                fix=_later(config.files),
            )
        )


def _later(files: Sequence[str]) -> str:
    """What takes away the files that apt reads after ours; it passes over names in .disabled."""
    later = [one for one in files if one == MAIN or one > CONF]
    if not later:
        return f"look for a file below /etc/apt/apt.conf.d that sorts after {CONF}"
    moves = " && ".join(f"sudo mv {one} {one}.disabled" for one in later)
    return f"{moves}, or take out what it says of unattended upgrades"


def upgrade_problem(config: AptConfiguration, enabled: bool) -> tuple[str, str] | None:
    """Return what is found and what is needed where apt's configuration is not as declared."""
    lacking = set(table().blocked) - set(config.get("Unattended-Upgrade::Package-Blacklist"))
    if lacking:
        return f"not blocked: {', '.join(sorted(lacking))}", "all of the stack blocked"
    for option in ("Update-Package-Lists", "Unattended-Upgrade") if enabled else ():
        value = (config.get(f"APT::Periodic::{option}") or ["unset"])[-1]
        if value != "1":
            return f"APT::Periodic::{option} {value}", "1, once a day"
    reboot = (config.get("Unattended-Upgrade::Automatic-Reboot") or ["false"])[-1]
    if reboot.lower() not in ("false", "no", "off", "0"):
        return f"Unattended-Upgrade::Automatic-Reboot {reboot}", "false: reboots are planned"
    sources = config.get("Unattended-Upgrade::Origins-Pattern")
    sources += config.get("Unattended-Upgrade::Allowed-Origins")
    if enabled and not any("security" in source.lower() for source in sources):
        return f"sources {', '.join(sources) or 'none'}", "the distribution's security updates"
    return None


@operation
def kernel_held() -> Commands:
    """Hold the installed kernel packages: a new kernel has no driver until a planned run."""
    installed = kernel_packages(gather(Packages, names=list(table().kernel)))
    unheld = [name for name, package in installed.items() if not package.held]
    for name in unheld:
        differs(f"package:{name}", "held", expected="held", actual="free to move")
    if not unheld:
        host.noop(f"held: {', '.join(installed) or 'no kernel package is installed'}")
        return
    yield StringCommand("apt-mark", "hold", *map(shlex.quote, unheld))
