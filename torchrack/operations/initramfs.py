"""Initial RAM disks that hold the modprobe configuration of the host."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.connect import INSTALL_TIMEOUT
from torchrack.difference import differs
from torchrack.errors import HostError, Problem
from torchrack.facts.gather import gather
from torchrack.facts.initramfs import Initramfs
from torchrack.operations.guard import Commands, operation

_REBUILD = {
    # -u fails for a kernel that initramfs-tools has no record of, as after a restored backup.
    "update-initramfs": "update-initramfs -u -k {0} || update-initramfs -c -k {0}",
    "dracut": "dracut --force /boot/initrd.img-{0} {0}",
}


@operation
def up_to_date(*, inputs: Sequence[str]) -> Commands:
    """Rebuild the initial RAM disks that are older than files they hold copies of.

    A run that was killed between the change of such a file and the rebuild is so mended by the
    next.

    Args:
        inputs: absolute paths of the files.
    """
    now = gather(Initramfs, inputs=list(inputs))
    stale = [kernel for kernel, current in now.kernels.items() if not current]
    if not stale:
        host.noop(f"up to date: {', '.join(now.kernels) or 'no kernel with an initramfs'}")
        return
    for kernel in stale:
        expected = f"newer than {', '.join(inputs)}"
        differs(f"initramfs:{kernel}", "content", expected=expected, actual="older")
    if now.tool not in _REBUILD:
        raise HostError(
            Problem(
                where=host.name,
                what="Initial RAM disks",
                found=f"older than {', '.join(inputs)}: {', '.join(stale)}; no tool to make them",
                needed=f"{' or '.join(_REBUILD)}",
                fix="install initramfs-tools (Debian, Ubuntu) and run again",
            )
        )
    steps = [_REBUILD[now.tool].format(shlex.quote(kernel)) for kernel in stale]
    yield StringCommand(
        "set -e\nPATH=$PATH:/usr/sbin:/sbin\n" + "\n".join(steps), _timeout=INSTALL_TIMEOUT
    )
