"""The CDI spec, as fresh as the driver.

nvidia-cdi-refresh acts when a module is installed for the running kernel, and is skipped without
an error where its conditions do not hold: its state does not say that the spec is good.
"""

from __future__ import annotations

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.cdi import PATH_UNIT, SERVICE, SPEC, problems
from torchrack.difference import differs
from torchrack.errors import HostError, Problem
from torchrack.facts.cdi import Cdi, CdiState
from torchrack.facts.gather import gather
from torchrack.operations.guard import Commands, operation


@operation
def current() -> Commands:
    """Make the spec describe the loaded driver and all GPUs, now and at each boot."""
    now = gather(Cdi, _timeout=90)
    if not now.driver:
        raise _problem(now, ["no loaded NVIDIA driver"])
    stale = _problems(now)
    if not stale and not now.disabled and now.path_active:
        host.noop(f"{SPEC} describes driver {now.driver}")
        return
    for problem in stale:
        differs("cdi:nvidia", "spec", expected=f"driver {now.driver}, all GPUs", actual=problem)
    for unit in now.disabled:
        differs(f"unit:{unit}", "enabled", expected="enabled", actual="disabled")
    if not now.path_active:
        differs(f"unit:{PATH_UNIT}", "running", expected="active", actual="inactive")
    steps = [f"systemctl enable {SERVICE} {PATH_UNIT}", f"systemctl start {PATH_UNIT}"]
    if stale:
        steps += [
            f"systemctl reset-failed {SERVICE} || true",
            f"systemctl restart {SERVICE} || true",
        ]
    yield StringCommand("set -e\n" + "\n".join(steps))
    now = gather(Cdi, _timeout=90)
    if found := _problems(now):
        raise _problem(now, found)


def _problems(now: CdiState) -> list[str]:
    return problems(now.spec, driver=now.driver, uuids=now.uuids, missing=now.missing)


def _problem(now: CdiState, found: list[str]) -> HostError:
    return HostError(
        Problem(
            where=host.name,
            what=f"CDI spec {SPEC}",
            found="; ".join(found) + (f" ({SERVICE} was skipped)" if now.skipped else ""),
            needed=f"all GPUs and the libraries of driver {now.driver or '(none is loaded)'}",
            fix="run the driver stage first; then look at "
            f"journalctl -u {SERVICE} and, when it is skipped, whether "
            "/lib/modules/$(uname -r)/modules.dep names nvidia.ko",
        )
    )
