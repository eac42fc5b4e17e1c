"""The NVIDIA driver: installed at one version, loaded, and seen by nvidia-smi."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.connect import INSTALL_TIMEOUT
from torchrack.driver import Choice, Module, driver_packages, lacking, objections, read_plan
from torchrack.errors import HostError, Problem
from torchrack.facts.driver import AptPlan, AptVersions, DriverFact, DriverState, KernelLog
from torchrack.facts.gather import gather
from torchrack.facts.nvidia import GpuProcesses
from torchrack.operations.guard import Commands, operation
from torchrack.operations.reboot import Reboot

OnBusy = Literal["refuse", "force"]

_APT = """set -eu
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l LC_ALL=C
apt() { apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 --no-install-recommends \\
    --allow-downgrades --allow-change-held-packages "$@"; }
"""
# The pin is nobody's configuration: an old one that was kept would hold apt at the old version.
_PREPARE = """[ -z "$(dpkg --audit)" ] || dpkg --configure -a --force-confold || true
apt check || apt install --fix-broken -o APT::Ignore-Hold=true
apt update -o APT::Update::Error-Mode=any
apt install -o Dpkg::Options::=--force-confnew {pinning} {unpin} || {{ echo {failed} >&2; exit 1; }}
apt-mark hold {pinning}
for kernel in {kernels}; do
    [ -e "/lib/modules/$kernel/build" ] && continue
    apt-cache show "linux-headers-$kernel" >/dev/null 2>&1 || continue
    apt install "linux-headers-$kernel"
    apt-mark hold "linux-headers-$kernel"  # as base holds it, which has run before it was there
done
true
"""
_INSTALL = """apt -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \\
    install {packages} || {{
    status=$?
    find /var/lib/dkms/nvidia -name make.log -newer /etc/apt/preferences.d 2>/dev/null \\
        | while read -r log; do echo "The end of $log:"; tail -n 20 "$log"; done >&2
    echo {failed} >&2
    exit $status
}}
"""


@operation
def install(*, choice: Choice, on_busy: OnBusy) -> Commands:
    """Make all packages of the driver stand at one version, held there.

    Args:
        choice: the driver.
        on_busy: what to do when processes use a GPU while the driver has to change.
    """
    now = gather(DriverFact)
    if not _wrong(choice, now):
        if unheld := _unheld(choice, now):
            yield _hold(unheld)
        else:
            host.noop(f"the driver's packages are at {choice.module.version}")
        return
    if _wrong_packages(choice, now):
        _refuse_if_busy(now, on_busy)
    prepare = _PREPARE.format(
        pinning=shlex.quote(choice.pinning),
        unpin=" ".join(shlex.quote(f"{name}-") for name in _other_pins(choice, now)),
        kernels=" ".join(map(shlex.quote, now.on_disk)),
        failed=_failed(choice, f"apt could not install {choice.pinning}"),
    )
    yield StringCommand(_APT + prepare, _timeout=INSTALL_TIMEOUT)
    wanted = _transaction(choice, now)
    _refuse_plan(choice, gather(AptPlan, packages=wanted))
    command = _INSTALL.format(
        packages=" ".join(map(shlex.quote, wanted)),
        failed=_failed(choice, "apt or dpkg failed"),
    )
    yield StringCommand(_APT + command, _timeout=INSTALL_TIMEOUT)
    now = gather(DriverFact)
    if wrong := _wrong(choice, now):
        raise HostError(
            Problem(
                where=host.name,
                what="Packages of the NVIDIA driver",
                found="; ".join(wrong),
                needed=f"version {choice.module.version} of all of them",
                fix=f"look at apt-cache policy {' '.join(choice.packages)} on the host",
            )
        )
    if unheld := _unheld(choice, now):
        yield _hold(unheld)


@operation
def load(*, module: Module, on_busy: OnBusy, allow_reboot: bool, timeout: int) -> Commands:
    """Make the running kernel use the module, and every kernel that could boot next.

    A module that is in use can't be exchanged: when another one is loaded, the host reboots.

    Args:
        module: version and flavour.
        on_busy: what to do when processes use a GPU.
        allow_reboot: whether the host may reboot.
        timeout: seconds a reboot may take.
    """
    now = gather(DriverFact)
    missing = lacking(module, now.on_disk, now.images)
    if now.loaded == module and not missing:
        host.noop(f"the module {module} is loaded")
        return
    if missing:
        yield StringCommand(_build(missing), _timeout=INSTALL_TIMEOUT)
        missing = lacking(module, gather(DriverFact).on_disk, now.images)
    if missing:
        raise HostError(
            Problem(
                where=host.name,
                what="Kernels that could boot next",
                found=f"no module {module} for {', '.join(missing)}",
                needed=f"it for each of {', '.join(now.images or now.on_disk)}",
                fix="run dkms status and read /var/lib/dkms/nvidia/*/build/make.log on the host; "
                "install the kernel's headers, or remove a kernel that is no longer used",
            )
        )
    if now.loaded == module:
        return
    _refuse_if_busy(now, on_busy)
    if not allow_reboot:
        raise HostError(
            Problem(
                where=host.name,
                what="Loaded NVIDIA module",
                found=str(now.loaded or "none"),
                needed=f"{module}, which is installed and waits for a reboot",
                fix="reboot the host, or set allow_reboot=True in the driver settings",
            )
        )
    yield Reboot(before=now.boot_id, timeout=timeout)
    now = gather(DriverFact)
    if now.loaded != module:
        lines = gather(KernelLog)
        log = " | ".join(lines) or "nothing in the kernel's log"
        raise HostError(
            Problem(
                where=host.name,
                what="Loaded NVIDIA module after the reboot",
                found=f"{now.loaded or 'none'} ({log})",
                needed=str(module),
                fix="Secure Boot refuses unsigned modules and nouveau keeps a GPU: look at "
                "mokutil --sb-state, lsmod and dmesg on the host",
            )
        )


def _failed(choice: Choice, found: str) -> str:
    """What the script says, quoted for the shell, when apt has failed."""
    problem = Problem(
        where=host.name,
        what=f"Installation of the NVIDIA driver {choice.module}",
        found=f"{found} (its words stand above)",
        needed=f"{', '.join(choice.packages)} at {choice.module.version}",
        fix="check that the repository has this version, that the disk has room and that the "
        "kernel's headers fit; then run again, which goes on from here",
    )
    return shlex.quote(str(problem))


def _build(kernels: Iterable[str]) -> str:
    """Let DKMS build what it left out: its packages build for the newest kernel alone."""
    builds = [f"dkms autoinstall -k {shlex.quote(kernel)} || true" for kernel in kernels]
    return "\n".join(["command -v dkms >/dev/null || exit 0", *builds])


def _wrong(choice: Choice, now: DriverState) -> list[str]:
    """What about the installed packages and the pin is not as chosen."""
    pinning = now.packages.get(choice.pinning)
    unpinned = [] if pinning and pinning.installed else [f"{choice.pinning} missing"]
    return _wrong_packages(choice, now) + unpinned


def _wrong_packages(choice: Choice, now: DriverState) -> list[str]:
    found = []
    for name in choice.packages:
        package = now.packages.get(name)
        if package is None or not fnmatchcase(package.version.split(":")[-1], choice.pattern):
            found.append(f"{name} {package.version if package else 'missing'}")
    parts = [name for name in driver_packages(now.packages) if not now.packages[name].installed]
    found += [f"{name} half installed" for name in parts]
    return found + [f"{name} {now.packages[name].version}" for name in _leftover(choice, now)]


def _transaction(choice: Choice, now: DriverState) -> list[str]:
    """What to tell apt: the chosen packages, and for each part that is already there, to follow.

    Unnamed, a held part would stay behind, and so would one whose dependants ask for ">=" when the
    driver goes to an older version. Parts that do not exist at the version any more go.
    """
    others = [name for name in _leftover(choice, now) if name not in choice.packages]
    available = gather(AptVersions, packages=others) if others else {}
    follow: list[str] = []
    leave: list[str] = []
    for name in others:
        exists = any(fnmatchcase(v, choice.pattern) for v in available.get(name, ()))
        (follow if exists and name not in choice.unwanted else leave).append(name)
    named = [f"{name}={choice.pattern}" for name in [*choice.packages, *follow]]
    return named + [f"{name}-" for name in leave]


def _leftover(choice: Choice, now: DriverState) -> list[str]:
    """Installed parts of another version or flavour."""
    wanted = choice.module.version
    parts = driver_packages(now.packages).items()
    return [name for name, version in parts if version != wanted or name in choice.unwanted]


def _other_pins(choice: Choice, now: DriverState) -> list[str]:
    """Pinning packages of other versions, which apt keeps while they are held."""
    names = [name for name in now.packages if name.startswith("nvidia-driver-pinning-")]
    return [name for name in names if name != choice.pinning and now.packages[name].installed]


def _unheld(choice: Choice, now: DriverState) -> list[str]:
    """Holding the packages we named would leave the libraries they need free to move."""
    names = [*driver_packages(now.packages), choice.pinning]
    return [name for name in names if name in now.packages and not now.packages[name].held]


def _hold(names: Iterable[str]) -> StringCommand:
    return StringCommand("apt-mark", "hold", *map(shlex.quote, names))


def _refuse_plan(choice: Choice, lines: list[str]) -> None:
    plan = read_plan(lines)
    found = objections(plan, choice.module.version)
    errors = [line for line in lines if line.startswith("E:")]
    if found or errors:
        raise HostError(
            Problem(
                where=host.name,
                what=f"apt's plan for the driver {choice.module.version}",
                found="; ".join([*found, *(errors and lines[-12:])]),
                needed="that version of every package, and nothing else removed",
                fix=f"look at apt-cache policy {' '.join(choice.packages)} on the host; the "
                "repository may not have this version",
            )
        )


def _refuse_if_busy(now: DriverState, on_busy: OnBusy) -> None:
    if on_busy == "force" or now.loaded is None:
        return
    processes = gather(GpuProcesses)
    if processes:
        raise HostError(
            Problem(
                where=host.name,
                what="Processes on the GPUs",
                found=", ".join(f"{process.pid} ({process.name})" for process in processes),
                needed="none, because the driver has to change",
                fix='stop them and run again, or set on_busy_gpu="force" to end them',
            )
        )
