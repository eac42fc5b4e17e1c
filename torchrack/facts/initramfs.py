"""Facts about the initial RAM disks."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pyinfra.api.facts import FactBase

_COMMAND = """
PATH=$PATH:/usr/sbin:/sbin
tool=$(command -v update-initramfs || command -v dracut || true)
echo "tool $(basename -- "$tool")"
for initrd in /boot/initrd.img-*; do
    kernel=${{initrd#/boot/initrd.img-}}
    # Without modules it is a leftover (a backup) that no boot entry names.
    [ -e "$initrd" ] && [ -d "/lib/modules/$kernel" ] || continue
    state=current
    [ -s "$initrd" ] || state=stale
    for conf in {inputs}; do
        [ ! -e "$conf" ] || [ "$(stat -c %.6Z -- "$conf")" \\< "$(stat -c %.6Y -- "$initrd")" ] ||
            state=stale
    done
    echo "$state $kernel"
done
"""


@dataclass(frozen=True)
class InitramfsState:
    """The tool that makes them ("" for none), and kernel to whether its disk has our files."""

    tool: str
    kernels: dict[str, bool]


class Initramfs(FactBase[InitramfsState]):
    """Which initial RAM disks are empty, or older than files that they hold copies of."""

    def command(self, inputs: list[str]) -> str:
        """Compare the disks' mtime with the ctime of the files: lsinitramfs takes seconds each."""
        return _COMMAND.format(inputs=" ".join(map(shlex.quote, inputs)))

    def process(self, output: list[str]) -> InitramfsState:
        """Parse a line a kernel."""
        rows = [line.split() for line in output]
        return InitramfsState(
            tool=next((row[1] for row in rows if row[0] == "tool" and len(row) > 1), ""),
            kernels={row[1]: row[0] == "current" for row in rows if row[0] in ("current", "stale")},
        )
