"""The pin that keeps apt at the driver's version, as its package brings it."""

from __future__ import annotations

import shlex

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.connect import INSTALL_TIMEOUT
from torchrack.difference import differs
from torchrack.facts.conffiles import Conffiles
from torchrack.facts.gather import gather
from torchrack.operations.guard import Commands, operation

# dpkg leaves a configuration file that somebody changed, and one that somebody removed, as it is.
_REINSTALL = """set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 --allow-change-held-packages \\
    -o Dpkg::Options::=--force-confmiss -o Dpkg::Options::=--force-confnew \\
    --download-only --reinstall install {package}
rm -f -- {paths}
apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 --allow-change-held-packages \\
    -o Dpkg::Options::=--force-confmiss -o Dpkg::Options::=--force-confnew \\
    --reinstall install {package}
apt-mark hold {package}
"""


@operation
def intact(*, package: str) -> Commands:
    """Make the files of the pin's package what it brought: with others apt moves the driver.

    Args:
        package: the pinning package, which is installed.
    """
    files = gather(Conffiles, package=package)
    changed = [path for path, file in files.items() if file.found != file.packaged]
    if not changed:
        host.noop(f"{package} is as it came")
        return
    for path in changed:
        actual = "another content" if files[path].found else "no such file"
        differs(f"file:{path}", "content", expected=f"as {package} brings it", actual=actual)
    script = _REINSTALL.format(
        package=shlex.quote(package), paths=" ".join(map(shlex.quote, changed))
    )
    yield StringCommand(script, _timeout=INSTALL_TIMEOUT)
