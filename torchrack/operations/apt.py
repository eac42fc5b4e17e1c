"""Packages at exact versions, held, and verified afterwards.

pyinfra's apt.packages neither compares versions, nor holds, nor mends an interrupted dpkg.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from fnmatch import fnmatchcase

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.apt.refusals import Allowed
from torchrack.connect import INSTALL_TIMEOUT
from torchrack.difference import differs
from torchrack.facts.gather import gather
from torchrack.facts.packages import Package, Packages
from torchrack.operations.guard import Commands, operation
from torchrack.operations.transaction import announce, approve

PROGRAM = """set -eu
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l LC_ALL=C
apt() { apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \\
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"; }
"""
"""What defines ``apt``, to be put before a script."""
# DPkg::Lock::Timeout does not cover the lock of the lists, which apt-daily takes at any time.
_PREPARE = """update_lists() {
    tries=0
    until said=$(apt update -o APT::Update::Error-Mode=any 2>&1); do
        tries=$((tries + 1))
        case "$said" in *"Could not get lock"*) ;; *) tries=60 ;; esac
        [ $tries -lt 60 ] || { echo "$said" >&2; return 1; }
        sleep 5
    done
}
if [ -n "$(dpkg --audit)" ]; then
    dpkg --configure -a --force-confdef --force-confold || broken=yes
fi
update_lists
# What was unpacked without all that it depends on can only be configured with the lists at hand.
[ -z "${broken:-}" ] || apt install --fix-broken --no-remove
"""
_INSTALL = """apt install {options} {packages}
{hold}
for wanted in {verify}; do
    name=${{wanted%%=*}}; version=${{wanted#*=}}
    found=$(dpkg-query -W -f='${{db:Status-Status}} ${{Version}}' "$name" 2>/dev/null || true)
    case "$found" in
        "installed "$version) ;;
        *) echo "$name: wanted version $version, found '${{found:-nothing}}'" >&2; exit 1 ;;
    esac
done
"""


@operation
def packages(
    *,
    versions: Mapping[str, str | None],
    sources: tuple[str, ...] = (),
    hold: bool = False,
    free: tuple[str, ...] = (),
    recommends: bool = False,
    allow_downgrade: bool = False,
) -> Commands:
    """Install packages, exactly as asked for, if apt's plan does that and nothing else.

    Args:
        versions: package to version; a ``*`` at the end is any suffix, None is any version.
        sources: URIs of the only repositories they may come from; empty: all that apt has.
        hold: hold them, so that no upgrade moves them.
        free: those of them that are not held, whatever ``hold`` says.
        recommends: install recommended packages as well.
        allow_downgrade: let them go to an older version.
    """
    present = gather(Packages, names=list(versions))
    install = {n: v for n, v in versions.items() if not _satisfied(present.get(n), v)}
    held = [n for n in versions if hold and n not in free]
    unheld = [n for n in held if not (n in present and present[n].held)]
    for name in versions:
        _tell(name, versions[name], present.get(name), held=name not in unheld)
    if not install and not unheld:
        host.noop(f"installed: {', '.join(sorted(versions))}")
        return
    if not install:
        yield StringCommand("apt-mark", "hold", *map(shlex.quote, unheld))
        return
    options = ["--allow-change-held-packages"]
    options += [] if recommends else ["--no-install-recommends"]
    options += ["--allow-downgrades"] if allow_downgrade else []
    # All of them, so that apt sees every pin at once and moves none of the others.
    named = [f"{n}={v}" if v else n for n, v in versions.items()]
    announce(named, options=options)
    yield StringCommand(PROGRAM + _PREPARE, _timeout=INSTALL_TIMEOUT)
    allowed = Allowed(versions, sources=sources, downgrades=allow_downgrade)
    approve(allowed, named, what=", ".join(install), options=options)
    script = _INSTALL.format(
        options=" ".join(options),
        packages=" ".join(map(shlex.quote, named)),
        hold="apt-mark hold " + " ".join(map(shlex.quote, held)) if held else ":",
        verify=" ".join(f"'{n}={v or '*'}'" for n, v in versions.items()),
    )
    yield StringCommand(PROGRAM + script, _timeout=INSTALL_TIMEOUT)


def _tell(name: str, wanted: str | None, package: Package | None, *, held: bool) -> None:
    """Say what is not as declared, for reports."""
    resource, version = f"package:{name}", package.version if package else "not installed"
    if not _satisfied(package, wanted):
        differs(resource, "version", expected=wanted or "installed", actual=version)
    elif not held:
        differs(resource, "held", expected="held", actual="free to move")


def _satisfied(package: Package | None, version: str | None) -> bool:
    if package is None or not package.installed:
        return False
    return version is None or fnmatchcase(package.version, version)
