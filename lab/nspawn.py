"""systemd-nspawn's command line for a simulated server, and what it leaves behind."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from lab import cgroups, network
from lab.state import Lab

# The clock and the modules are the outer machine's, and not for a server to change.
_DROPPED = "CAP_SYS_TIME,CAP_SYS_MODULE"
_RUN = Path("/run/systemd/nspawn")


def command(lab: Lab, name: str) -> list[str]:
    """Return the command line that boots the server `name` in its network namespace."""
    folder = lab.machine_dir(name)
    machine = network.namespace(lab, name)
    argv = ["systemd-nspawn", "--quiet", "--boot", f"--directory={folder / 'rootfs'}"]
    argv += [f"--machine={machine}", f"--hostname={name}"]
    argv += ["--register=no", "--settings=no", "--console=pipe", "--link-journal=no"]
    argv += ["--timezone=off", "--resolv-conf=off"]
    argv += [f"--network-namespace-path=/run/netns/{machine}"]
    argv += ["--capability=all", f"--drop-capability={_DROPPED}"]
    # Docker needs both, and systemd-nspawn's list of allowed calls has neither.
    argv += ["--system-call-filter=@keyring bpf"]
    argv += [f"--bind-ro={folder / 'pci'}:/sys/bus/pci/devices"]
    if cgroups.needed():
        argv.append("--keep-unit")
    return argv


def environment() -> dict[str, str]:
    """Return what systemd-nspawn's environment needs beside this process's own."""
    # Without it /proc/sys is read-only, and Docker can't turn forwarding on.
    return {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "yes"}


def clean_up(lab: Lab, name: str) -> None:
    """Remove what a server without power has left: processes, groups, namespace, lock files."""
    machine = network.namespace(lab, name)
    for pid in cgroups.processes(machine):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    cgroups.remove(machine)
    network.detach(lab, name)
    with suppress(OSError):
        disk = (lab.machine_dir(name) / "rootfs").stat()
        (_RUN / "locks" / f"inode-{disk.st_dev}:{disk.st_ino}").unlink()
    with suppress(OSError):
        (_RUN / "propagate" / machine).rmdir()


def machines(lab: Lab) -> set[str]:
    """Return the servers of the lab of which anything is left on this machine."""
    prefix = f"{lab.bridge}-"
    found = {*network.namespaces(lab), *cgroups.names(prefix)}
    found |= {path.name for path in (_RUN / "propagate").glob(f"{prefix}*")}
    return {machine.removeprefix(prefix) for machine in found}
