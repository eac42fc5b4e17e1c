"""Stage ``sshd``: a hardened OpenSSH server that never locks its operator out."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api import deploy

from torchrack.base.accounts import administrators
from torchrack.context import settings
from torchrack.operations import sshd
from torchrack.survey import survey


@deploy("sshd")
def harden() -> None:
    """Logins need a key and membership of one group, root stays out, old algorithms are gone.

    Proven by a new login from here before the rollback on the host is called off.
    """
    users = administrators(host.name, settings().base.deploy_user, survey().user)
    sshd.hardened(
        name="Harden sshd and prove a new login",
        settings=settings().sshd,
        users=users,
    )
    sshd.cloud_init_keeps_passwords_off(name="Keep cloud-init from turning passwords on")
