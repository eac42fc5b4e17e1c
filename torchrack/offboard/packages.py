"""Which packages go, which are let go of, and which stay. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from torchrack.base.held_back import kernel_packages
from torchrack.driver import driver_packages
from torchrack.driver_names import is_pin
from torchrack.facts.packages import Package
from torchrack.offboard.brought import CDI, ENGINE, PACKAGES
from torchrack.offboard.look import PURGING
from torchrack.offboard.model import Options, Presence, Step
from torchrack.offboard.scripts import render_step
from torchrack.toolkit import PACKAGES as TOOLKIT


def step(now: Presence, options: Options) -> Step | None:
    """Return the step that removes packages and holds; None where there is nothing to do."""
    gone = removed(now, options)
    unheld = [name for name in held(now) if name not in gone]
    if not gone and not unheld:
        return None
    does = [f"remove the packages {', '.join(gone)}"] if gone else []
    does += [f"release the holds of {', '.join(unheld)}"] if unheld else []
    values = {"remove": gone, "unhold": unheld, "purging": PURGING}
    cdi = CDI if options.purge else ()
    return render_step("packages", does, seconds=1200, cdi=cdi, **values)


def removed(now: Presence, options: Options) -> list[str]:
    """Return the packages that go: the pin always, the stack with --purge.

    A deploy holds all that it installs: what is not held came otherwise, and stays.
    """
    pins = [name for name in _there(now) if is_pin(name, full=True)]
    if not options.purge:
        return pins
    stack = [name for name in _stack(now) if now.packages[name].held or name in now.purging]
    return sorted({*pins, *stack})


def held(now: Presence) -> list[str]:
    """Return the packages whose hold a deploy has set."""
    kernel = kernel_packages({name: p for name, p in now.packages.items() if name not in PACKAGES})
    known = {*_stack(now), *(name for name in kernel if name.startswith("linux-"))}
    known |= {name for name in now.packages if is_pin(name, full=True)}
    return sorted(name for name in known if now.packages[name].held)


def stays(now: Presence, options: Options) -> Iterable[str]:
    """Yield what is said of packages that stay."""
    there = _stack(now)
    left = [name for name in there if name not in removed(now, options)]
    if not options.purge and left:
        yield f"packages: {', '.join(_summary(now))}, free to move from now on (--purge removes)"
    elif left:
        yield f"packages that are not held, so not ours: {', '.join(left)}"
    if options.purge:
        yield "what those packages had pulled in (sudo apt-get autoremove shows it)"
        if any(name in ENGINE for name in there):
            yield "/var/lib/docker and /var/lib/containerd with what is in them"


def needs_reboot(now: Presence, options: Options) -> bool:
    """Whether a module goes on that has no package any more."""
    drivers = set(driver_packages(_there(now)))
    return bool(now.module) and bool(drivers & set(removed(now, options)))


def _there(now: Presence) -> dict[str, Package]:
    """Packages of which more than a name or the configuration is left."""
    return {name: p for name, p in now.packages.items() if p.installed or name in now.purging}


def _stack(now: Presence) -> list[str]:
    there = _there(now)
    return sorted({*driver_packages(there), *(name for name in PACKAGES if name in there)})


def _summary(now: Presence) -> list[str]:
    """Return driver, engine and toolkit with their versions, in place of all names."""
    there = _there(now)
    drivers = sorted(set(driver_packages(there).values()))
    found = [f"driver {version}" for version in drivers]
    engines = [name for name in ("docker-ce", "docker.io") if name in there]
    found += [f"{name} {there[name].version}" for name in engines]
    return found + [f"toolkit {there[name].version}" for name in TOOLKIT[:1] if name in there]
