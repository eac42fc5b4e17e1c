"""The NVIDIA driver: installed at one version, loaded, and seen by nvidia-smi."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Literal

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.apt.refusals import Allowed
from torchrack.connect import INSTALL_TIMEOUT
from torchrack.difference import differs
from torchrack.driver import Choice, Module, driver_packages, lacking
from torchrack.driver_names import is_pin
from torchrack.errors import HostError, Problem
from torchrack.facts.driver import AptVersions, DriverFact, DriverState, KernelLog
from torchrack.facts.gather import gather
from torchrack.facts.nvidia import GpuProcesses
from torchrack.operations.guard import Commands, operation
from torchrack.operations.reboot import Reboot
from torchrack.operations.transaction import announce, approve

OnBusy = Literal["refuse", "force"]

_APT = """set -eu
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l LC_ALL=C
apt() { apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 --no-install-recommends \\
    --allow-downgrades --allow-change-held-packages "$@"; }
"""
_PREPARE = """[ -z "$(dpkg --audit)" ] || dpkg --configure -a --force-confold || true
apt check || apt install --fix-broken --no-remove -o APT::Ignore-Hold=true
apt update -o APT::Update::Error-Mode=any
"""
# The pin is nobody's configuration: an old one that was kept would hold apt at the old version.
_INSTALL = """failed() {{ echo {failed} >&2; exit 1; }}
apt install -o Dpkg::Options::=--force-confnew {pinning} {unpin} || failed
apt-mark hold {pinning_name}
apt -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \\
    install {packages} || {{
    find /var/lib/dkms/nvidia -name make.log -newer /etc/apt/preferences.d 2>/dev/null \\
        | while read -r log; do echo "The end of $log:"; tail -n 20 "$log"; done >&2
    failed
}}
{hold}
"""
OPTIONS = ("--no-install-recommends", "--allow-downgrades", "--allow-change-held-packages")


@operation
def install(*, choice: Choice, on_busy: OnBusy, sources: tuple[str, ...] = ()) -> Commands:
    """Make all packages of the driver stand at one version, held there.

    Args:
        choice: the driver.
        on_busy: what to do when processes use a GPU while the driver has to change.
        sources: URIs of the only repositories that its packages may come from.
    """
    now = gather(DriverFact)
    _tell(choice, now)
    if not _wrong(choice, now):
        if unheld := _unheld(choice, now):
            yield _hold(unheld)
        else:
            host.noop(f"the driver's packages are at {choice.module.version}")
        return
    if _wrong_packages(choice, now):
        _refuse_if_busy(now, on_busy)
    pinning = f"{choice.pinning}={choice.exact.get(choice.pinning, '*')}"
    announce([*_transaction(choice, now)], options=OPTIONS, pinning=pinning)
    yield StringCommand(_APT + _PREPARE, _timeout=INSTALL_TIMEOUT)
    headers = _headers(now)
    wanted = [*_transaction(choice, now), *headers]
    pins = [pinning, *(f"{name}-" for name in _other_pins(choice, now))]
    approve(
        Allowed(
            {name: choice.version(name) for name in choice.packages},
            sources=sources,
            driver=choice.module.version,
            parts=frozenset([*driver_packages(now.packages), *_other_pins(choice, now)]),
            downgrades=True,
        ),
        [*pins, *wanted],
        what=f"the driver {choice.module.version}",
        options=OPTIONS,
        pinning=pinning,
    )
    command = _INSTALL.format(
        pinning=shlex.quote(pinning),
        pinning_name=shlex.quote(choice.pinning),
        unpin=" ".join(map(shlex.quote, pins[1:])),
        packages=" ".join(map(shlex.quote, wanted)),
        # As base holds kernels, which has run before the headers were there.
        hold="apt-mark hold " + " ".join(map(shlex.quote, headers)) if headers else ":",
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
    if now.loaded != module:
        differs("module:nvidia", "loaded", expected=str(module), actual=str(now.loaded or "none"))
    for kernel in missing:
        actual = str(now.on_disk.get(kernel) or "none")
        differs(f"module:{kernel}", "next boot", expected=str(module), actual=actual)
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
                "install the kernel's headers, or remove a kernel (apt-get remove) that is neither "
                "the running nor the newest one",
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


def _tell(choice: Choice, now: DriverState) -> None:
    """Say what is not as declared, for reports."""
    parts = driver_packages(now.packages)
    names = [*choice.packages, *(name for name in _leftover(choice, now) if name in parts)]
    for name in dict.fromkeys([*names, choice.pinning]):
        package = now.packages.get(name)
        fits = package is not None and package.installed and name not in choice.unwanted
        if fits and package and (name == choice.pinning or choice.fits(name, package.version)):
            continue
        differs(
            f"package:{name}",
            "version",
            expected="not installed" if name in choice.unwanted else choice.version(name),
            actual=package.version if package else "not installed",
        )
    for name in _unheld(choice, now):
        differs(f"package:{name}", "held", expected="held", actual="free to move")


def _wrong(choice: Choice, now: DriverState) -> list[str]:
    """What about the installed packages and the pin is not as chosen."""
    pinning = now.packages.get(choice.pinning)
    unpinned = [] if pinning and pinning.installed else [f"{choice.pinning} missing"]
    return _wrong_packages(choice, now) + unpinned


def _wrong_packages(choice: Choice, now: DriverState) -> list[str]:
    found = []
    for name in choice.packages:
        package = now.packages.get(name)
        if package is None or not choice.fits(name, package.version):
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
        exists = any(choice.fits(name, v) for v in available.get(name, ()))
        (follow if exists and name not in choice.unwanted else leave).append(name)
    named = [f"{name}={choice.version(name)}" for name in [*choice.packages, *follow]]
    return named + [f"{name}-" for name in leave]


def _headers(now: DriverState) -> list[str]:
    """Headers that DKMS needs for a kernel that could boot, where apt has them."""
    names = [f"linux-headers-{kernel}" for kernel in now.on_disk if kernel not in now.headers]
    available = gather(AptVersions, packages=names) if names else {}
    return [name for name in names if available.get(name)]


def _leftover(choice: Choice, now: DriverState) -> list[str]:
    """Installed parts of another version or flavour."""
    wanted = choice.module.version
    parts = driver_packages(now.packages).items()
    return [name for name, version in parts if version != wanted or name in choice.unwanted]


def _other_pins(choice: Choice, now: DriverState) -> list[str]:
    """Pinning packages of other versions, which apt keeps while they are held."""
    names = [name for name in now.packages if is_pin(name)]
    return [name for name in names if name != choice.pinning and now.packages[name].installed]


def _unheld(choice: Choice, now: DriverState) -> list[str]:
    """Holding the packages we named would leave the libraries they need free to move."""
    names = [*driver_packages(now.packages), choice.pinning]
    return [name for name in names if name in now.packages and not now.packages[name].held]


def _hold(names: Iterable[str]) -> StringCommand:
    return StringCommand("apt-mark", "hold", *map(shlex.quote, names))


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
