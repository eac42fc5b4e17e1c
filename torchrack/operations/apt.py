"""Packages at exact versions, held, and verified afterwards.

pyinfra's apt.packages neither compares versions, nor holds, nor mends an interrupted dpkg.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from fnmatch import fnmatchcase

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.connect import INSTALL_TIMEOUT
from torchrack.facts.gather import gather
from torchrack.facts.packages import Package, Packages
from torchrack.operations.guard import Commands, operation

_INSTALL = """set -eu
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l LC_ALL=C
apt() {{ apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \\
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"; }}
# DPkg::Lock::Timeout does not cover the lock of the lists, which apt-daily takes at any time.
update_lists() {{
    tries=0
    until said=$(apt update -o APT::Update::Error-Mode=any 2>&1); do
        tries=$((tries + 1))
        case "$said" in *"Could not get lock"*) ;; *) tries=60 ;; esac
        [ $tries -lt 60 ] || {{ echo "$said" >&2; return 1; }}
        sleep 5
    done
}}
if [ -n "$(dpkg --audit)" ]; then
    dpkg --configure -a --force-confdef --force-confold || broken=yes
fi
{update}
# What was unpacked without all that it depends on can only be configured with the lists at hand.
[ -z "${{broken:-}}" ] || apt install --fix-broken
apt install {flags} {packages}
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
    hold: bool = False,
    update: bool = True,
    recommends: bool = False,
    allow_downgrade: bool = False,
) -> Commands:
    """Install packages, exactly as asked for.

    Args:
        versions: package to version; a ``*`` at the end is any suffix, None is any version.
        hold: hold them, so that no upgrade moves them.
        update: refresh apt's lists before an installation.
        recommends: install recommended packages as well.
        allow_downgrade: let apt go to an older version.
    """
    present = gather(Packages, names=list(versions))
    install = {n: v for n, v in versions.items() if not _satisfied(present.get(n), v)}
    unheld = [n for n in versions if hold and not (n in present and present[n].held)]
    if not install and not unheld:
        host.noop(f"installed: {', '.join(sorted(versions))}")
        return
    if not install:
        yield StringCommand("apt-mark", "hold", *map(shlex.quote, unheld))
        return
    flags = ["--allow-change-held-packages"]
    flags += [] if recommends else ["--no-install-recommends"]
    flags += ["--allow-downgrades"] if allow_downgrade else []
    script = _INSTALL.format(
        update="update_lists" if update else ":",
        flags=" ".join(flags),
        # All of them, so that apt sees every pin at once and moves none of the others.
        packages=" ".join(shlex.quote(f"{n}={v}" if v else n) for n, v in versions.items()),
        hold="apt-mark hold " + " ".join(map(shlex.quote, versions)) if hold else ":",
        verify=" ".join(f"'{n}={v or '*'}'" for n, v in versions.items()),
    )
    yield StringCommand(script, _timeout=INSTALL_TIMEOUT)


def _satisfied(package: Package | None, version: str | None) -> bool:
    if package is None or not package.installed:
        return False
    return version is None or fnmatchcase(package.version, version)
