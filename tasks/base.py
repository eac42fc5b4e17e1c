"""Stage ``base``: what every host needs before a driver or an engine goes on it."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from torchrack.base.accounts import administrators
from torchrack.context import settings
from torchrack.operations import (
    accounts,
    apt,
    certificates,
    clock,
    files,
    initramfs,
    units,
    upgrades,
)
from torchrack.settings.base import Base
from torchrack.survey import survey

_NOUVEAU = "/etc/modprobe.d/torchrack-nouveau.conf"


@deploy("base")
def prepare_system() -> None:
    """The office's CA is trusted, the clock is kept, the deploy user has its rights.

    Security updates go on by themselves, except for what must move together: the GPU stack, the
    engine and the kernel. nouveau stays out of the kernel, also at early boot.
    """
    chosen = settings().base
    users = administrators(host.name, chosen.deploy_user, survey().user)
    certificates.trusted(
        name="Trust the extra CA certificates", certificates=chosen.ca_certificates
    )
    apt.packages(
        name="Install the packages that every host needs",
        versions=dict.fromkeys(_packages(chosen)),
    )
    if chosen.time_sync:
        clock.synchronised(name="Keep the clock right", servers=chosen.ntp_servers)
    _grant_rights(chosen, users)
    _settle_upgrades(chosen)
    files.put(name="Keep nouveau away", dest=_NOUVEAU, content=files.read("base/nouveau.conf"))
    initramfs.up_to_date(name="Keep nouveau out of the initramfs", inputs=[_NOUVEAU])


def _packages(chosen: Base) -> list[str]:
    return ["ca-certificates", "sudo"] + ["unattended-upgrades"] * chosen.unattended_upgrades


def _grant_rights(chosen: Base, users: tuple[str, ...]) -> None:
    accounts.administrators(
        name="Let the deploy user log in",
        users=users,
        group=settings().sshd.admin_group,
        keys=chosen.authorized_keys,
    )
    files.put(
        name="Let the deploy user run sudo without a password",
        dest="/etc/sudoers.d/90-torchrack",
        content=files.render("base/sudoers.j2", users=users),
        mode="0440",
        validate="visudo -cqf {}",
    )


def _settle_upgrades(chosen: Base) -> None:
    upgrades.unattended(
        name="Block unattended upgrades of the GPU stack, the engine and the kernel",
        enabled=chosen.unattended_upgrades,
    )
    if chosen.unattended_upgrades:
        for timer in ("apt-daily.timer", "apt-daily-upgrade.timer"):
            units.unit(name=f"Keep {timer} on", unit=timer)
    upgrades.kernel_held(name="Hold the kernel together with the driver")
