"""The declared driver, and no other, is installed, held, loaded, and sees every GPU."""

from __future__ import annotations

import re

from tests.state.target import Target
from torchrack.apt.openpgp import keys
from torchrack.driver_names import parts
from torchrack.gpus import best_flavour, lookup

PROBES = {
    "driver_packages": "dpkg-query -W -f "
    "'${Package} ${Version} ${db:Status-Abbrev} ${source:Package}\\n' "
    "'*nvidia*' 'libcuda*' 'libnvcuvid*'",
    "driver_candidate": "LC_ALL=C apt-cache policy nvidia-persistenced",
    "driver_loaded": "cat /proc/driver/nvidia/version",
    "driver_on_disk": "for i in /boot/vmlinuz-*; do k=${i#/boot/vmlinuz-}; "
    '[ -e "$i" ] || k=$(uname -r); '
    'echo "$k $(modinfo -k "$k" -F version nvidia)"; done',
    "driver_pci": "for d in /sys/bus/pci/devices/*; do "
    '[ "$(cat $d/vendor)" = 0x10de ] && echo "$(cat $d/class) $(cat $d/device)"; done; true',
    "driver_smi": "timeout 30 nvidia-smi --format=csv,noheader "
    "--query-gpu=driver_version,persistence_mode,temperature.gpu,memory.used",
    "driver_units": "systemctl is-enabled nvidia-persistenced; "
    "systemctl is-active nvidia-persistenced",
    "driver_fabric": "systemctl show -p UnitFileState -p ActiveState nvidia-fabricmanager",
    "driver_sources": "grep -lE '^[^#]*(compute/cuda/repos|graphics-drivers)' "
    "/etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources "
    "2>/dev/null",
    "driver_key": "cat /etc/apt/keyrings/torchrack-nvidia-driver.asc",
}


def packages(target: Target) -> dict[str, tuple[str, str]]:
    """Installed packages of a driver: name to version and dpkg's status letters."""
    lines = (line.split() for line in target.probe("driver_packages").lines)
    found = {line[0]: line[1:] for line in lines if len(line) == 4 and line[2][1:2] not in "nc"}
    ours = parts({name: (version, source) for name, (version, _, source) in found.items()})
    driver = {name: (found[name][0], found[name][1]) for name in ours}
    assert "nvidia-persistenced" in driver, f"no driver among the packages {sorted(found)}"
    return driver


def gpus(target: Target) -> list[str]:
    """Device ids of the GPUs on the PCI bus."""
    lines = [line.split() for line in target.probe("driver_pci").lines]
    found = [device.removeprefix("0x") for class_, device in lines if class_.startswith("0x03")]
    assert found, f"no NVIDIA GPU on the PCI bus: {lines}"
    return found


def smi(target: Target) -> list[list[str]]:
    """The GPUs that nvidia-smi lists, whatever else it says and however it ends."""
    answer = target.probe("driver_smi")
    rows = [line.split(", ") for line in answer.lines if re.match(r"\d+\.[\d.]+, ", line)]
    assert rows, f"nvidia-smi ended with {answer.rc}: {answer.stdout}"
    return rows


def test_packages_are_at_the_version(target: Target) -> None:
    wanted = target.settings.driver.version
    wrong = {n: v for n, (v, _) in packages(target).items() if not v.startswith(f"{wanted}-")}
    assert not wrong, f"found {wrong}, needed {wanted} of all"


def test_packages_are_installed_and_held(target: Target) -> None:
    wrong = {name: status for name, (_, status) in packages(target).items() if status != "hi"}
    assert not wrong, f"found status {wrong}, needed hi (held, installed) of all"


def test_apt_is_pinned(target: Target) -> None:
    candidate = re.search(r"Candidate: (\S+)", target.probe("driver_candidate").stdout)
    wanted = target.settings.driver.version
    assert candidate, f"found no candidate for nvidia-persistenced, needed {wanted}"
    assert candidate[1].startswith(f"{wanted}-"), f"apt would install {candidate[1]}, not {wanted}"


def test_module_is_loaded(target: Target) -> None:
    text = target.probe("driver_loaded").stdout
    assert f"  {target.settings.driver.version}  " in text, f"found {text!r}"


def test_module_has_the_flavour_of_the_gpus(target: Target) -> None:
    known = [gpu for gpu in map(lookup, gpus(target)) if gpu]
    declared = target.settings.driver.flavour
    wanted = best_flavour(known) if declared == "auto" else declared
    text = target.probe("driver_loaded").stdout
    found = "open" if "Open Kernel Module" in text else "proprietary"
    assert found == wanted, f"found {text!r}, needed the {wanted} module"


def test_every_kernel_would_load_the_version(target: Target) -> None:
    wanted = target.settings.driver.version
    kernels = dict(line.partition(" ")[::2] for line in target.probe("driver_on_disk").lines)
    assert kernels
    wrong = {kernel: found for kernel, found in kernels.items() if found != wanted}
    assert not wrong, f"found modules {wrong}, needed {wanted} for each kernel"


def test_every_gpu_answers(target: Target) -> None:
    there = ("[N/A]", "[Not Supported]")
    healthy = [gpu for gpu in smi(target) if not any("[" in v and v not in there for v in gpu)]
    assert len(healthy) == len(gpus(target)), (
        f"found {smi(target)}, needed {len(gpus(target))} healthy GPUs as on the PCI bus"
    )


def test_nvidia_smi_shows_the_version(target: Target) -> None:
    found = {gpu[0] for gpu in smi(target)}
    assert found == {target.settings.driver.version}


def test_persistence_mode(target: Target) -> None:
    wanted = "Enabled" if target.settings.driver.persistence else "Disabled"
    assert {gpu[1] for gpu in smi(target)} == {wanted}


def test_persistence_daemon(target: Target) -> None:
    on = target.settings.driver.persistence
    wanted = ["enabled", "active"] if on else ["disabled", "inactive"]
    assert target.probe("driver_units").lines == wanted


def test_fabric_manager_runs_where_nvswitches_are(target: Target) -> None:
    switches = [line for line in target.probe("driver_pci").lines if line.startswith("0x0680")]
    unit = dict(line.split("=", 1) for line in target.probe("driver_fabric").lines)
    if switches:
        wanted = {"ActiveState": "active", "UnitFileState": "enabled"}
        assert unit == wanted, f"{len(switches)} NVSwitches on the bus"
        assert "nvidia-fabricmanager" in " ".join(packages(target))
    else:
        assert unit["ActiveState"] == "inactive", "Fabric Manager runs without an NVSwitch"


def test_one_source(target: Target) -> None:
    assert target.probe("driver_sources").lines == [
        "/etc/apt/sources.list.d/torchrack-nvidia-driver.sources"
    ]


def test_source_trusts_the_pinned_key_alone(target: Target) -> None:
    found = keys(target.probe("driver_key").stdout.encode())
    assert list(found) == [target.settings.driver.key_fingerprint]
