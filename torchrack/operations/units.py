"""Units enabled and running, with the configuration that is on disk.

pyinfra's systemd.service reads three facts, always reports a change with daemon_reload, and does
not notice a process that is older than its configuration.
"""

from __future__ import annotations

from typing import Literal

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.connect import INSTALL_TIMEOUT
from torchrack.difference import differs
from torchrack.errors import HostError, Problem
from torchrack.facts.gather import gather
from torchrack.facts.units import Unit
from torchrack.operations.guard import Commands, operation


@operation
def unit(
    *,
    unit: str,
    running: bool = True,
    enabled: bool | None = True,
    inputs: tuple[str, ...] = (),
    on_new_input: Literal["restart", "reload"] = "restart",
) -> Commands:
    """Make a unit run (or not), at boot too, with the configuration that is on disk.

    A configuration that is newer than the unit's last start or reload is noticed here, so that a
    run which was killed between the two is mended by the next.

    Args:
        unit: name of the unit, with its suffix.
        running: whether it is to be active.
        enabled: whether it starts at boot; None leaves that alone.
        inputs: absolute paths of the files its process reads at a start or reload.
        on_new_input: how it takes them up.
    """
    now = gather(Unit, unit=unit, inputs=list(inputs))
    if now.load == "not-found":
        if not running:
            host.noop(f"{unit} does not exist")
            return
        raise HostError(
            Problem(
                where=host.name,
                what=f"systemd unit {unit}",
                found="no such unit",
                needed="the unit, which its package or an earlier stage brings",
                fix="run all stages; if it stays away, look at the package's installation",
            )
        )
    steps = []
    resource = f"unit:{unit}"
    if now.needs_reload:
        steps.append("systemctl daemon-reload")
        differs(resource, "loaded", expected="its files on disk", actual="an older version")
    if enabled is not None and (now.enabled in ("enabled", "static", "enabled-runtime")) != enabled:
        steps.append(f"systemctl {'enable' if enabled else 'disable'} -- {unit}")
        wanted = "enabled" if enabled else "disabled"
        differs(resource, "enabled", expected=wanted, actual=now.enabled or "no unit file")
    if running and now.active not in ("active", "reloading"):
        steps.append(f"systemctl reset-failed -- {unit} 2>/dev/null || true")
        steps.append(f"systemctl start -- {unit}")
        differs(resource, "running", expected="active", actual=now.active)
    elif running and (now.needs_reload or now.newest_input > now.changed):
        verb = "restart" if now.needs_reload else on_new_input
        steps.append(f"systemctl {verb} -- {unit}")
        expected = "a start after the last change of its configuration"
        differs(resource, "configuration", expected=expected, actual="an older process")
    elif not running and now.active not in ("inactive", "failed"):
        steps.append(f"systemctl stop -- {unit}")
        differs(resource, "running", expected="stopped", actual=now.active)
    if not steps:
        host.noop(f"{unit} is as declared")
        return
    if running:
        # A start that the unit's own conditions skip ends with success.
        steps.append(
            f"systemctl is-active --quiet -- {unit} || "
            f"{{ systemctl status --no-pager -n 5 -- {unit} >&2; exit 1; }}"
        )
    yield StringCommand("set -e\n" + "\n".join(steps), _timeout=INSTALL_TIMEOUT)
