"""What makes a newcomer a member of its fleet: the admin's account, and its lines."""

from __future__ import annotations

from contextlib import ExitStack

from torchrack import hosts_file
from torchrack.inventory import load_fleet
from torchrack.lock.file import shown
from torchrack.onboard.admin import admin_public_key, ensure_admin, login_as_admin
from torchrack.onboard.work import Said, Work


def admin(work: Work) -> Said:
    """Have the account that the fleet deploys with, and log in with it anew."""
    newcomer, settings = work.newcomer, work.host.settings
    ready = f"{newcomer.admin} logs in by key and becomes root"
    if work.as_admin:
        return Said("already", ready)
    did = ensure_admin(
        work.session, newcomer, admin_public_key(newcomer), group=settings.sshd.admin_group
    )
    with ExitStack() as stack:
        login = login_as_admin(newcomer, work.known_hosts, settings=settings)
        session = stack.enter_context(login)
        work.closing.close()  # the first login has done its part
        work.closing, work.session, work.as_admin = stack.pop_all(), session, True
    return Said("done" if did else "already", "; ".join([*did, ready]))


def inventory(work: Work) -> Said:
    """Write the host into the fleet's hosts file, and read the inventory with it."""
    joining = work.joining
    if joining.group is None or joining.entry is None:
        return Said("already", f"{work.name} stands in {shown(work.terms.inventory)}")
    file = joining.group.hosts_file
    changed = hosts_file.add(
        file, joining.group.name, work.name, joining.entry, before=joining.later
    )
    if work.name not in {host.name for host in load_fleet(work.terms.inventory)}:
        raise work.problem(
            "Inventory",
            f"no {work.name} in {shown(work.terms.inventory)}, though {shown(file)} has it",
            f"{joining.group.name} = hosts_of(__file__, {joining.group.name!r}, ...)",
            "mend the inventory, and run the same command again",
        )
    text = f"{joining.group.name}: {work.name} in {shown(file)}"
    return Said("done" if changed else "already", text)
