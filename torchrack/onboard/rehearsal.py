"""What a dry run says of the steps that it does not take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from torchrack.lock.file import shown
from torchrack.onboard.admin import admin_public_key, ensure_admin
from torchrack.onboard.model import StepName
from torchrack.onboard.work import Said, Work


def admin(work: Work) -> Said:
    """Look at what the account lacks; it lacks nothing where the admin could log in."""
    newcomer = work.newcomer
    if work.as_admin:
        return Said("already", f"{newcomer.admin} logs in by key and becomes root")
    lacking = ensure_admin(
        work.session,
        newcomer,
        admin_public_key(newcomer),
        group=work.host.settings.sshd.admin_group,
        dry=True,
    )
    if not lacking:
        return Said("already", f"the account {newcomer.admin} is as it has to be")
    return Said("planned", f"would have {'; '.join(lacking)}")


def inventory(work: Work) -> Said:
    """The inventory has it, or a line would be written."""
    group = work.joining.group
    if group is None:
        return Said("already", f"{work.name} stands in {shown(work.terms.inventory)}")
    return Said(
        "planned", f"would write {work.name} into {group.name} of {shown(group.hosts_file)}"
    )


def lock(work: Work) -> Said:
    """The versions would be made exact."""
    return Said("planned", f"would lock {work.name} in {shown(Path(work.host.data['_lock_file']))}")


def deploy(work: Work) -> Said:
    """The deploy file would be run; torchrack deploy --dry-run tells more of a locked host."""
    return Said("planned", f"would run {shown(work.terms.deploy_file)} on {work.name}")


def gpu(_work: Work) -> Said:
    """A container would be started."""
    return Said("planned", "would count the GPUs, and train on each in a container")


def state(_work: Work) -> Said:
    """The tests would be run."""
    return Said("planned", "would run the state tests")


REHEARSED: Mapping[StepName, Callable[[Work], Said]] = {
    "admin": admin,
    "inventory": inventory,
    "lock": lock,
    "deploy": deploy,
    "gpu": gpu,
    "state": state,
}
