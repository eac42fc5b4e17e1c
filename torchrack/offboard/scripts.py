"""The scripts of offboarding, one a step, with the sentences that tell of them."""

from __future__ import annotations

import base64
import posixpath
from collections.abc import Iterable, Sequence
from typing import Any

from torchrack import persistence
from torchrack.docker.client import CONFIG
from torchrack.facts import certificates
from torchrack.facts.docker import DAEMON_JSON, OWNED
from torchrack.facts.images import PULLED
from torchrack.facts.sshd import ARMED
from torchrack.images.policy import removals
from torchrack.images.registry_access import CERTS
from torchrack.offboard import brought
from torchrack.offboard.model import Options, Presence, Step, StepName, Unit
from torchrack.operations import clock
from torchrack.operations.files import ORIGINALS, read, render
from torchrack.operations.sshd import CLOUD, ROLLBACK, ROLLBACK_UNITS
from torchrack.sshd.options import DROP_IN
from torchrack.workloads import commands, workload

_ROLLBACK_UNIT = ROLLBACK_UNITS.rpartition("/")[2]
_REBUILD = {
    "update-initramfs": 'update-initramfs -u -k "$kernel"',
    "dracut": 'dracut --force "$image" "$kernel"',
}


def render_step(name: StepName, does: Iterable[str], *, seconds: int = 120, **values: Any) -> Step:
    """Return a step whose script is files/offboard/NAME.sh.j2.

    Args:
        name: the step's name.
        does: sentences for people.
        seconds: how long it may take.
        values: what the template needs.
    """
    text = render(f"offboard/{name}.sh.j2", **values)
    return Step(name, tuple(does), read("offboard/head.sh") + text, seconds)


def drain_step(units: Sequence[Unit]) -> Step:
    """Stop workloads, in the given order."""
    does = [f"stop {unit.workload} (at most {unit.stop_seconds} s)" for unit in units]
    seconds = sum(unit.stop_seconds + 40 for unit in units)
    return render_step("drain", does, seconds=seconds, units=units)


def containers_step(now: Presence, names: Sequence[str], volumes: Sequence[str]) -> Step:
    """Remove workloads: units, containers, networks, tokens; and volumes, where that is asked."""
    units = {unit.workload for unit in now.units}
    parts = [
        commands.remove_workload(
            name,
            [one.id for one in now.ours if one.workload == name],
            network=now.networks.get(workload.network_name(name)) == name,
            unit=name in units,
        )
        for name in names
    ]
    if volumes:
        parts.append(f"docker volume rm {commands.quote(*volumes)} >/dev/null")
    does = [f"remove container, unit, network and secrets of {name}" for name in names]
    does += [f"DELETE the volume {name} with its data" for name in volumes]
    return Step("containers", tuple(does), read("offboard/head.sh") + "\n".join(parts), 300)


def images_step(now: Presence) -> Step | None:
    """Remove the images that we pulled and the accounts that pulled them."""
    used = {one.image for one in now.others}
    present = [pinned for pinned in now.images.pulled if pinned in now.images.digests]
    todo = {pinned: removals(pinned, now.images, used) for pinned in present}
    todo = {pinned: names for pinned, names in todo.items() if names}
    if not todo and not now.folders:
        return None
    does = [f"remove the image {names[0]}" for names in todo.values()]
    does.append("remove the accounts that pull images")
    text = render("images/prune.sh.j2", removals=todo, pulled=PULLED)
    script = f"{read('offboard/head.sh')}{text}\nrm -rf -- {CONFIG}\n"
    return Step("images", tuple(does), script, 600)


def used_images(now: Presence) -> list[str]:
    """Return the images of ours that containers of others use."""
    used = {one.image for one in now.others}
    return [name for name in now.images.pulled if now.images.digests.get(name) in used]


def docker_step(content: str | None, *, restart: bool, changed: bool) -> Step:
    """Take our keys out of daemon.json."""
    does = [f"take our keys out of {DAEMON_JSON}" if content else f"remove {DAEMON_JSON}"]
    does = does if changed else [f"forget which keys of {DAEMON_JSON} were ours"]
    does += ["restart Docker"] if restart else []
    encoded = base64.b64encode(content.encode()).decode() if content else ""
    values = {"content": encoded, "daemon_json": DAEMON_JSON, "owned": OWNED, "restart": restart}
    return render_step("docker", does, seconds=180, **values)


def files_step(now: Presence) -> Step | None:
    """Remove our files, and bring back what was there before them."""
    later = (*brought.ACCESS, f"{ROLLBACK_UNITS}.service", f"{ROLLBACK_UNITS}.timer", DAEMON_JSON)
    units = {workload.unit_path(unit.workload) for unit in now.units}
    mine = [path for path in now.files if path not in later and path not in units]
    if not mine:
        return None
    restore = [path for path in mine if path in now.originals]
    remove = [path for path in mine if path not in now.originals]
    tool = posixpath.basename(now.initramfs)
    restart = {clock.TIMESYNCD: "systemd-timesyncd.service", clock.CHRONY: "chrony.service"}
    does = [f"remove {path}" for path in remove]
    does += [f"bring back the {path} from before Torchrack" for path in restore]
    return render_step(
        "files",
        does,
        seconds=600,
        originals=ORIGINALS,
        restore=restore,
        remove=remove,
        empty=_emptied(remove),
        certificates=any(path.startswith(certificates.FOLDER) for path in mine),
        initramfs=_REBUILD.get(tool, "") if brought.NOUVEAU in mine else "",
        units=any(path.startswith(f"{workload.UNITS}/") for path in mine),
        restart=[unit for path, unit in restart.items() if path in mine],
    )


def _emptied(paths: Iterable[str]) -> list[str]:
    """Folders that we may have made; they go where nothing else is in them."""
    makes = (f"{CERTS}/", persistence.DROP_IN, clock.TIMESYNCD)
    return sorted({posixpath.dirname(path) for path in paths if path.startswith(makes)})


def sshd_step(rollback_seconds: int) -> Step:
    """Give the hardening up, with the way back armed."""
    return render_step(
        "sshd",
        ["take the hardening of sshd back, proven by a new login"],
        drop_in=DROP_IN,
        armed=ARMED,
        originals=ORIGINALS,
        rollback=ROLLBACK,
        rollback_text=read("sshd/sshd-rollback"),
        units=ROLLBACK_UNITS,
        unit=_ROLLBACK_UNIT,
        service_text=read("sshd/torchrack-sshd-rollback.service"),
        timer_text=render("sshd/torchrack-sshd-rollback.timer.j2", timeout=rollback_seconds),
    )


def rest_step(now: Presence, options: Options) -> Step | None:
    """Remove our folders, with what was recorded in them; the last thing that is done."""
    taken_back = [path for path in brought.ACCESS if path in now.files] if options.unharden else []
    if not now.folders and not taken_back:
        return None
    does = [f"remove {', '.join(brought.FOLDERS)}"]
    does += ["take back sudo's rule where the account can do without, and cloud-init's file"] * (
        options.unharden
    )
    return render_step(
        "rest",
        does,
        proven=options.unharden,
        unharden=options.unharden,
        armed=ARMED,
        unit=_ROLLBACK_UNIT,
        units=ROLLBACK_UNITS,
        originals=ORIGINALS,
        cloud=CLOUD,
        banner=brought.BANNER,
        sudoers=brought.SUDOERS,
        folders=brought.FOLDERS,
    )
