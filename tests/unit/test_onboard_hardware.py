"""Hardware facts: the script on a made-up machine's files, and its answer as recorded."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from torchrack.nvidia_smi import identities
from torchrack.onboard.hardware import (
    UNKNOWN,
    Disk,
    GpuFacts,
    Hardware,
    Machine,
    Nic,
    Processors,
    hardware,
    parse,
    script,
)
from torchrack.remote import Answer

FIXTURES = Path(__file__).parent / "fixtures"
SMI = (FIXTURES / "nvidia-smi" / "h200x2" / "query.out").read_text()
LAN = """\
Set in Progress         : Set Complete
IP Address Source       : DHCP Address
IP Address              : {address}
Subnet Mask             : 255.255.255.0
"""
TOOLS = {
    "systemd-detect-virt": "echo none; exit 1",
    "lscpu": """cat <<'X'
Architecture:                         x86_64
CPU(s):                               224
Model name:                           Intel(R) Xeon(R) Platinum 8480+
Thread(s) per core:                   2
Core(s) per socket:                   56
Socket(s):                            2
X""",
    "ipmitool": f"""case $*
in "lan print 1") printf '{LAN.format(address=".".join("0000"))}' ;;
"lan print 8") printf '{LAN.format(address="192.0.2.17")}' ;;
"mc info") printf 'Device ID                 : 32\\nFirmware Revision         : 1.03\\n' ;;
*) exit 1 ;; esac""",
    "udevadm": """case $* in *sda) printf 'ID_BUS=ata
ID_MODEL=INTEL_SSDSC2KG480G8
ID_REVISION=XCV10132
ID_SERIAL_SHORT=PHYG912345678480BGN\\n' ;; esac""",
    "ethtool": """[ "$2" = ens1f0np0 ] || exit 1
printf 'driver: mlx5_core\\nfirmware-version: 28.39.1002 (MT_0000000838)\\nbus-info: x\\n'
""",
    "nvidia-smi": f"cat <<'X'\n{SMI}X",
}
PCI = "sys/devices/pci0000:16/0000:16:01.0"
FILES = {
    "class/dmi/id/sys_vendor": "Supermicro",
    "class/dmi/id/product_name": "SYS-821GE-TNHR",
    "class/dmi/id/product_serial": "To Be Filled By O.E.M.",
    "class/dmi/id/chassis_serial": "C8210FP12A30123",
    "class/dmi/id/board_vendor": "Supermicro",
    "class/dmi/id/board_name": "X13DEG-OAD",
    "class/dmi/id/bios_vendor": "American Megatrends International, LLC.",
    "class/dmi/id/bios_version": "2.1",
    "class/dmi/id/bios_date": "03/14/2024",
    "firmware/efi/fw_platform_size": "64",
    # An NVMe disk, its hidden second path, a SATA disk, a drive without its medium, a loop device.
    "block/nvme0n1/device/model": "SAMSUNG MZQL23T8HCLS-00A07              ",
    "block/nvme0n1/device/serial": "S64HNG0T912345      ",
    "block/nvme0n1/device/firmware_rev": "GDC5902Q",
    "block/nvme0n1/queue/rotational": "0",
    "block/nvme0n1/size": "7501476528",
    "block/nvme0c0n1/device/model": "SAMSUNG MZQL23T8HCLS-00A07",
    "block/nvme0c0n1/hidden": "1",
    "block/sda/device/model": "INTEL SSDSC2KG48",
    "block/sda/device/vendor": "ATA     ",
    "block/sda/device/rev": "0132",
    "block/sda/queue/rotational": "0",
    "block/sda/size": "937703088",
    "block/sdb/device/model": "Virtual CDROM0  ",
    "block/sdb/device/vendor": "AMI     ",
    "block/sdb/size": "0",
    "block/loop0/size": "1024",
    # A port in a bond, whose address is the bond's; one without a link; a bridge.
    "class/net/ens1f0np0/address": "02:00:00:00:00:01",
    "class/net/ens1f0np0/bonding_slave/perm_hwaddr": "94:6d:ae:12:34:56",
    "class/net/ens1f0np0/speed": "400000",
    "class/net/ens1f0np0/operstate": "up",
    "class/net/eno1/address": "7c:c2:55:12:34:56",
    "class/net/eno1/device/vendor": "0x8086",
    "class/net/eno1/speed": "-1",
    "class/net/eno1/operstate": "down",
    "class/net/docker0/address": "02:42:00:00:00:01",
    # An InfiniBand adapter without a network interface.
    "class/infiniband/mlx5_4/node_guid": "946d:ae03:0012:3456",
    "class/infiniband/mlx5_4/fw_ver": "28.39.1002",
    "class/infiniband/mlx5_4/ports/1/rate": "400 Gb/sec (4X NDR)",
    "class/infiniband/mlx5_4/ports/1/state": "4: ACTIVE",
    # Two GPUs, the second's audio function, and a network card.
    "bus/pci/devices/0000:1a:00.0/vendor": "0x10de",
    "bus/pci/devices/0000:1a:00.0/class": "0x030200",
    "bus/pci/devices/0000:1a:00.0/device": "0x2335",
    "bus/pci/devices/0000:1c:00.0/vendor": "0x10de",
    "bus/pci/devices/0000:1c:00.0/class": "0x030200",
    "bus/pci/devices/0000:1c:00.0/device": "0x2335",
    "bus/pci/devices/0000:1c:00.1/vendor": "0x10de",
    "bus/pci/devices/0000:1c:00.1/class": "0x040300",
    "bus/pci/devices/0000:1c:00.1/device": "0x22ba",
}


def run(root: Path, tools: dict[str, str]) -> list[str]:
    """Run the script with /sys and /dev below a folder, and with no tools but these."""
    programs = root / "bin"
    programs.mkdir()
    for name, text in tools.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    for name in ("basename", "cat", "grep", "head", "readlink", "sed", "timeout", "tr", "uname"):
        found = next(p for p in map(Path, ("/usr/bin", "/bin")) if (p / name).exists())
        (programs / name).symlink_to(found / name)
    text = script().replace("/sys/", f"{root}/sys/").replace("/dev/ipmi", f"{root}/dev/ipmi")
    lines = [
        line if "PATH=" not in line else f"export LC_ALL=C PATH={programs}"
        for line in text.splitlines()
    ]
    done = subprocess.run(
        ["/bin/sh"], input="\n".join(lines), capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def server(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    for link, target in {
        "class/net/ens1f0np0/device": f"{PCI}/0000:17:00.0",
        "class/infiniband/mlx5_4/device": f"{PCI}/0000:18:00.0",
    }.items():
        (tmp_path / target).mkdir(parents=True)
        (tmp_path / "sys" / link).symlink_to(tmp_path / target)
        driver = tmp_path / "sys/bus/pci/drivers/mlx5_core"
        driver.mkdir(parents=True, exist_ok=True)
        (tmp_path / target / "driver").symlink_to(driver)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "ipmi0").touch()
    return tmp_path


def test_a_server_with_all_tools(server: Path) -> None:
    found = parse(run(server, TOOLS))
    assert found.machine == Machine(
        vendor="Supermicro",
        product="SYS-821GE-TNHR",
        serial="C8210FP12A30123",
        board="Supermicro X13DEG-OAD",
        firmware="American Megatrends International, LLC. 2.1 03/14/2024",
        boot="UEFI",
        virtual="none",
        bmc_address="192.0.2.17",
        bmc_firmware="1.03",
    )
    assert found.processors == Processors("Intel(R) Xeon(R) Platinum 8480+", 2, 112, 224)
    assert found.disks == (
        Disk(
            name="nvme0n1",
            model="SAMSUNG MZQL23T8HCLS-00A07",
            serial="S64HNG0T912345",
            firmware="GDC5902Q",
            kind="NVMe",
            size=3840755982336,
        ),
        Disk("sda", "INTEL SSDSC2KG480G8", "PHYG912345678480BGN", "XCV10132", "SSD", 480103981056),
    )
    assert found.nics == (
        Nic("eno1", "7c:c2:55:12:34:56", link="down"),
        Nic(
            "ens1f0np0",
            "94:6d:ae:12:34:56",
            "0000:17:00.0",
            "mlx5_core",
            "28.39.1002 (MT_0000000838)",
            400000,
            "up",
        ),
        Nic(
            "mlx5_4",
            "946d:ae03:0012:3456",
            "0000:18:00.0",
            "mlx5_core",
            "28.39.1002",
            400000,
            "up",
        ),
    )
    assert found.memory > 2**28
    assert found.kernel != UNKNOWN


def test_a_gpu_that_nvidia_smi_does_not_show_stays_on_the_list(server: Path) -> None:
    first, second, third = parse(run(server, TOOLS)).gpus
    assert first == GpuFacts(
        "0000:1a:00.0",
        "NVIDIA H200",
        "GPU-5f0b3c10-7a64-4d1e-9c3a-2e8f10a4b6d0",
        "1654321001234",
        "96.00.74.00.09",
        143771 * 2**20,
    )
    assert second.address == "0000:1b:00.0"
    assert third == GpuFacts("0000:1c:00.0", "H200 SXM 141GB")


def test_without_any_tool_what_the_kernel_says_is_known(server: Path) -> None:
    found = parse(run(server, {}))
    assert found.machine.product == "SYS-821GE-TNHR"
    assert (found.machine.bmc_address, found.machine.virtual) == (UNKNOWN, UNKNOWN)
    assert found.processors == Processors()
    assert [disk.model for disk in found.disks] == [
        "SAMSUNG MZQL23T8HCLS-00A07",
        "ATA INTEL SSDSC2KG48",
    ]
    assert {gpu.name for gpu in found.gpus} == {"H200 SXM 141GB"}
    assert found.nics[1].firmware == UNKNOWN


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_a_tool_that_fails_is_like_none(server: Path, name: str) -> None:
    lines = run(server, TOOLS | {name: "echo nonsense: 1,2; exit 3"})
    assert parse(lines).machine.product == "SYS-821GE-TNHR"
    assert len(parse(lines).disks) == 2


def test_a_machine_with_nothing(tmp_path: Path) -> None:
    found = parse(run(tmp_path, {}))
    assert found.machine == Machine()
    assert (found.disks, found.nics, found.gpus) == ((), (), ())


def test_no_output_at_all_is_no_error() -> None:
    assert parse([]) == Hardware()


def test_a_simulated_server_as_recorded() -> None:
    found = parse((FIXTURES / "onboard" / "hardware-simulated.out").read_text().splitlines())
    assert found.system == "Debian GNU/Linux 13 (trixie)"
    assert found.machine.virtual == "systemd-nspawn"
    assert found.machine.serial == UNKNOWN
    assert found.disks == (Disk("vda", serial="overlayblk", kind="virtual", size=274877906944),)
    assert [gpu.serial for gpu in found.gpus] == ["1654688128195", "1658916498783"]
    assert [nic.pci for nic in found.nics] == ["0000:00:03.0"]


@pytest.mark.parametrize(
    "junk",
    [
        "To be filled by O.E.M.",
        "Default string",
        "System Serial Number",
        "Not Specified",
        "0123456789",
        "0",
        "None",
        "xxxxxxxx",
        "........",
    ],
)
def test_what_makers_leave_in_smbios_is_no_serial_number(junk: str) -> None:
    lines = ["==dmi", f"product_serial={junk}", "chassis_serial=", "==end"]
    assert parse(lines).machine.serial == UNKNOWN


def test_a_consumer_board_and_a_lost_gpu() -> None:
    lost = identities((FIXTURES / "nvidia-smi" / "gpu-lost" / "query.out").read_text())
    assert [one.memory for one in lost] == [143771 * 2**20, None]
    row = SMI.splitlines()[1].replace("1654321001234", "[N/A]")
    assert identities("\n".join([SMI.splitlines()[0], row]))[0].serial is None


def test_one_round_trip() -> None:
    asked: list[str] = []

    def answer(text: str, *, seconds: int) -> Answer:
        asked.append(text)
        assert seconds > 60
        return Answer(["==system", "kernel=6.8.0", "==end"], [])

    session = SimpleNamespace(run=answer)
    assert hardware(session).kernel == "6.8.0"
    assert len(asked) == 1
    assert "serial" in asked[0].splitlines()[0]
