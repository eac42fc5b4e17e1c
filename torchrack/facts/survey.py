"""What a host is: the facts that a run does not change, read once in one round trip."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyinfra.api.exceptions import FactProcessError
from pyinfra.api.facts import FactBase

from torchrack.stamp import STAMP

NVIDIA = "10de"


@dataclass(frozen=True)
class PciFunction:
    """A PCI function as sysfs shows it.

    Args:
        address: domain:bus:device.function, lower case ("0000:1a:00.0").
        device: device id, four hex digits without 0x.
        class_: class code, six hex digits without 0x ("030200" is a 3D controller).
    """

    address: str
    device: str
    class_: str


@dataclass(frozen=True)
class Survey:
    """A host's operating system and hardware.

    Args:
        os: ID of os-release ("debian", "ubuntu").
        version: VERSION_ID of os-release ("24.04").
        codename: VERSION_CODENAME of os-release ("noble").
        architecture: dpkg's name ("amd64", "arm64").
        kernel: release of the running kernel.
        user: the account that logged in.
        nvidia: all functions of NVIDIA on the PCI bus.
        machine: /etc/machine-id, which copies of one image may share; "": not known.
        boot: the id of this boot of the kernel and of init's PID namespace, which containers on
            one kernel have each for themselves; "": not known.
        hardware: a hash of its machine-id and the firmware's UUID: copies of one image differ in
            the second; "": not known.
        keys: its own host keys, type and base64 of each.
        stamped: the server that the stamp was written for: its ``hardware``, and the host key that
            the deploy was let in by, as ``keys`` has them; "": not said.
    """

    os: str
    version: str
    codename: str
    architecture: str
    kernel: str
    user: str
    nvidia: tuple[PciFunction, ...] = field(default=())
    machine: str = ""
    boot: str = ""
    hardware: str = ""
    keys: tuple[str, ...] = ()
    stamped: str = ""

    @property
    def gpus(self) -> tuple[PciFunction, ...]:
        """Display and 3D controllers (PCI base class 03) of NVIDIA."""
        return tuple(f for f in self.nvidia if f.class_.startswith("03"))

    @property
    def nvswitches(self) -> tuple[PciFunction, ...]:
        """NVSwitches: bridges of class 0680 of NVIDIA."""
        return tuple(f for f in self.nvidia if f.class_.startswith("0680"))

    @property
    def distribution(self) -> str:
        """NVIDIA's name of the operating system ("ubuntu2404", "debian13")."""
        return self.os + self.version.replace(".", "")


class HostSurvey(FactBase[Survey]):
    """What a host is, which server it is, and NVIDIA's functions on the PCI bus."""

    def command(self) -> str:
        """Read os-release, dpkg, uname and sysfs; lspci need not be installed."""
        return (
            ". /etc/os-release; echo os=$ID; echo version=$VERSION_ID; "
            "echo codename=$VERSION_CODENAME; "
            "echo architecture=$(dpkg --print-architecture 2>/dev/null || uname -m); "
            "echo kernel=$(uname -r); echo user=${SUDO_USER:-$(id -un)}; "
            "echo machine=$(grep -x '[0-9a-f]*' /etc/machine-id 2>/dev/null); "
            "boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null) && "
            'echo "boot=$boot $(readlink /proc/1/ns/pid 2>/dev/null)"; '
            "echo hardware=$(cat /etc/machine-id /sys/class/dmi/id/product_uuid 2>/dev/null "
            "| sha256sum 2>/dev/null | cut -c1-16); "
            # Each by echo: the files that cloud-init writes lack the newline at their end.
            "for f in /etc/ssh/ssh_host_*_key.pub; do "
            "echo \"key=$(sed -nE '1s/^((ssh|ecdsa|sk)-[^ ]+ [^ ]+).*/\\1/p' $f 2>/dev/null)\"; "
            "done; "
            'stamped=$(sed -nE \'s/^  "server": "([^"]+)".*/\\1/p\' '
            f'{STAMP} 2>/dev/null); echo "stamped=$stamped"; '
            "for d in /sys/bus/pci/devices/*; do "
            '[ "$(cat "$d/vendor" 2>/dev/null)" = 0x10de ] && '
            'echo "pci=${d##*/} $(cat "$d/device") $(cat "$d/class")"; done; true'
        )

    def process(self, output: list[str]) -> Survey:
        """Parse ``key=value`` lines; ``pci`` and ``key`` occur any number of times."""
        pairs = [line.split("=", 1) for line in output if "=" in line]
        values = {key: value for key, value in pairs if key not in ("pci", "key")}
        functions = [value.split() for key, value in pairs if key == "pci"]
        try:
            return Survey(
                **values,
                keys=tuple(value for key, value in pairs if key == "key" and value),
                nvidia=tuple(
                    PciFunction(address, device.removeprefix("0x"), class_.removeprefix("0x"))
                    for address, device, class_ in functions
                ),
            )
        except (TypeError, ValueError) as error:
            raise FactProcessError(f"unexpected survey: {output!r} ({error})") from error
