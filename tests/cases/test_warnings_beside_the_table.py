"""nvidia-smi warns of a GPU, prints its table all the same, and ends with 14.

A GPU with a damaged infoROM works on. The deploy took the whole table for an error text, the drift
check knew nothing of the other GPUs, and a workload that was restarted did not start. The same
goes for statuses 8 and 10 of the manual, and for a GPU that can't be reached between others that
can: NordicHPC/sonar issue 72 shows that list.

Reference: https://github.com/NVIDIA/gpu-operator/issues/20
Kind: warnings beside a good table.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.harness import Lab
from torchrack.drift.model import Finding
from torchrack.drift.probes import gpus
from torchrack.drift.probes.script import request
from torchrack.drift.probes.subject import Subject
from torchrack.facts.cdi import Cdi
from torchrack.facts.nvidia import GpuProcesses, NvidiaSmi
from torchrack.nvidia_smi import State, identities
from torchrack.onboard.gpu_check.read import counted, in_container
from torchrack.operations.gpus import problems
from torchrack.settings.model import merge

ROOT = Path(__file__).parents[2]
ONE, TWO = "0000:1a:00.0", "0000:3b:00.0"
INFOROM = "WARNING: infoROM is corrupted at gpu 0000:3B:00.0"
CABLES = [
    "Unable to determine the device handle for GPU 0000:3B:00.0: Unable to communicate with GPU "
    "because it is insufficiently powered.",
    "This may be because not all required external power cables are",
    "attached, or the attached cables are not seated properly.",
]
INTERRUPTS = "WARNING: an interrupt issue was detected at gpu 00000000:3B:00.0"
PERSISTENCE = (
    "Warning: persistence mode is disabled on device 00000000:3B:00.0. See the Known Issues "
    "section of the nvidia-smi(1) man page for more information."
)
PRELOAD = "ERROR: ld.so: object 'libx.so' from LD_PRELOAD cannot be preloaded: ignored."
WARNINGS = [
    ([INFOROM], 14, f"gpu:{TWO}.inforom", "capacity"),
    ([INFOROM], 0, f"gpu:{TWO}.inforom", "capacity"),
    (["infoROM is corrupted at gpu 1, see 0000:3b:00.0"], 14, f"gpu:{TWO}.inforom", "capacity"),
    ([], 14, "gpus.inforom", "capacity"),
    (CABLES, 8, f"gpu:{TWO}.power", "outage"),
    ([], 8, "gpus.power", "outage"),
    ([INTERRUPTS], 10, f"gpu:{TWO}.interrupts", "outage"),
    ([], 10, "gpus.interrupts", "outage"),
    ([PERSISTENCE], 0, f"gpu:{TWO}.persistence-remark", "cosmetic"),
    (["Note: legacy persistence mode, on"], 0, "gpus.persistence-remark", "cosmetic"),
    (["WARNING: the frobnicator is low, dear user, index 3"], 0, "gpus.remark", "compat"),
    ([PRELOAD], 0, "gpus.remark", "compat"),
    ([], 255, "gpus.remark", "compat"),
]  # fmt: skip
QUERY = [
    "index, name, uuid, pci.bus_id, driver_version, persistence_mode, temperature.gpu, "
    "memory.used [MiB]",
    "0, NVIDIA H200, GPU-5f0b3c10, 00000000:1A:00.0, 580.159.04, Enabled, 34, 0 MiB",
    "1, NVIDIA H200, GPU-5f0b3c11, 00000000:3B:00.0, 580.159.04, Enabled, 34, 0 MiB",
]
HEALTH = [
    "index, pci.bus_id, pstate, ecc.mode.current, ecc.mode.pending, "
    "ecc.errors.uncorrected.volatile.total, retired_pages.pending, "
    "retired_pages.single_bit_ecc.count, retired_pages.double_bit.count, pcie.link.gen.current, "
    "pcie.link.gen.max, pcie.link.width.current, pcie.link.width.max, temperature.gpu, "
    "mig.mode.current",
    "0, 00000000:1A:00.0, P0, Enabled, Enabled, 0, No, 0, 0, 5, 5, 16, 16, 34, Disabled",
    "1, 00000000:3B:00.0, P0, Enabled, Enabled, 0, No, 0, 0, 5, 5, 16, 16, 34, Disabled",
]
LIST = [
    "GPU 0: NVIDIA H200 (UUID: GPU-5f0b3c10-0)",
    "GPU 1: NVIDIA H200 (UUID: GPU-5f0b3c11-0)",
]
PLACES = (0, 1, 2, 3)


def among(lines: list[str], place: int, warnings: list[str]) -> list[str]:
    """Warnings before the header, behind it, between the rows, and at the end."""
    return [*lines[:place], *warnings, "", *lines[place:]]


def judged(lines: list[str], *more: str) -> list[Finding]:
    found = [f"pci {ONE}", f"pci {TWO}", *(f"health {line}" for line in lines), *more]
    return list(gpus.judge(found, Subject("gpu01", merge([]))))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("warnings", "status", "finding", "severity"), WARNINGS)
def test_a_deploy_reads_the_table(
    warnings: list[str], status: int, finding: str, severity: str, place: int
) -> None:
    answer = NvidiaSmi().process([*among(QUERY, place, warnings), f"status={status}"])
    assert (answer.state, [gpu.address for gpu in answer.gpus]) == (State.OK, [ONE, TWO])
    assert problems(answer, [ONE, TWO], "580.159.04") == []
    assert {one.text for one in answer.remarks} >= {*warnings}
    assert answer.remarks


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("warnings", "status", "finding", "severity"), WARNINGS)
def test_a_check_reports_the_warning_and_judges_the_gpus(
    warnings: list[str], status: int, finding: str, severity: str, place: int
) -> None:
    worn = [HEALTH[0], HEALTH[1].replace("Enabled, 0", "Enabled, 4"), HEALTH[2]]
    # Each further question is answered with the same words.
    fabric = ["pci.bus_id, fabric.state, fabric.status", "00000000:1A:00.0, N/A, N/A"]
    said = [f"fabric {line}" for line in (*fabric, *warnings)]
    failed = [f"failed {group} {status}" for group in ("health", "fabric")] if status else []
    found = judged(among(worn, place, warnings), *said, *failed)
    assert [(one.id, one.kind, one.severity) for one in found] == [
        (f"host.gpu:{ONE}.ecc", "hardware", "outage"),
        (f"host.{finding}", "hardware", severity),
    ]
    assert all(" ".join(text.split()) in found[1].actual for text in warnings[:1])


GONE = [
    ("Unable to determine the device handle for gpu 0000:3b:00.0: Unknown Error", 0),
    ("Unable to determine the device handle for GPU0000:3B:00.0: Unknown Error", 255),
    ("Unable to determine the device handle for GPU1: 0000:3B:00.0: Unknown Error", 6),
    (
        "Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost.  Reboot the "
        "system to recover this GPU",
        15,
    ),
]


@pytest.mark.parametrize(("words", "status"), GONE)
@pytest.mark.parametrize("place", PLACES[:3])
def test_a_gpu_that_can_not_be_reached_is_the_only_one_lost(
    words: str, status: int, place: int
) -> None:
    answer = NvidiaSmi().process([*among(QUERY[:2], place, [words]), f"status={status}"])
    said = " ".join(words.split())
    assert problems(answer, [ONE, TWO], "580.159.04") == [f"{TWO} missing ({said})"]
    failed = [f"failed health {status}"] if status else []
    (found,) = judged(among(HEALTH[:2], place, [words]), *failed)
    assert (found.id, found.severity) == (f"host.gpu:{TWO}.lost", "outage")
    assert said in found.actual


def test_a_row_that_ends_early_hides_no_neighbour() -> None:
    answer = NvidiaSmi().process([*QUERY[:2], QUERY[2][:55], "status=139"])
    assert [one.partition(":")[0] for one in problems(answer, [ONE, TWO], "580.159.04")] == [
        "GPU 1 (0000", "GPU 1 has driver (cut off)",
    ]  # fmt: skip
    found = judged([HEALTH[0], HEALTH[1].replace("Enabled, 0", "Enabled, 4"), HEALTH[2][:40]])
    assert found[0].id == f"host.gpu:{ONE}.ecc"
    assert {one.kind for one in found[1:]} == {"unknown"}


@pytest.mark.parametrize(
    ("output", "state"),
    [
        ([INFOROM, "status=14"], State.INFOROM),
        ([*QUERY[:1], GONE[0][0], "status=15"], State.LOST),
        ([*QUERY[:2], "status=124"], State.HUNG),
        (["timeout: failed to run command 'nvidia-smi'", "status=127"], State.MISSING),
        (['Field "memory.used" is not a valid field to query.', "status=2"], State.REFUSED),
    ],
)
def test_a_warning_alone_is_no_answer(output: list[str], state: State) -> None:
    answer = NvidiaSmi().process(output)
    assert (answer.state, answer.gpus) == (state, ())
    assert output[-2] in answer.message
    assert problems(answer, [ONE], "580.159.04")


@pytest.mark.parametrize(("warnings", "status", "finding", "severity"), WARNINGS)
def test_the_gpu_check_of_onboarding_counts_them(
    warnings: list[str], status: int, finding: str, severity: str
) -> None:
    said = [*among(QUERY, 3, warnings), f"==rc {status}"]
    host = counted(["==pci", ONE, TWO, "==smi", *said, "==images", "==end"])
    assert (host.smi.state, host.smi.usable, host.smi.lost) == (State.OK, (ONE, TWO), ())
    assert host.smi.remarks
    inside = in_container(["==smi", *said, "==mig", "0", "==ended 0"], [])
    assert inside.smi is not None
    assert inside.smi.usable == (ONE, TWO)


def test_boards_processes_and_uuids_are_read_among_warnings() -> None:
    boards = ["name, uuid, serial, vbios_version, pci.bus_id, memory.total [MiB]"]
    boards += [f"NVIDIA H200, GPU-1, [Corrupted infoROM], 96.00, 00000000:{n}:00.0, 143771 MiB"
               for n in ("1A", "3B")]  # fmt: skip
    assert [one.serial for one in identities("\n".join([INFOROM, *boards]))] == [None, None]
    processes = ["pid=812 nvidia-persiste", "pid, process_name", INFOROM,
                 "4242, python3 train.py --sizes 1, 2", "[N/A], [N/A]", "status=14"]  # fmt: skip
    assert [(one.pid, one.name) for one in GpuProcesses().process(processes)] == [
        (4242, "python3 train.py --sizes 1, 2")
    ]
    units = [f"unit={unit} " for unit in ("nvidia-cdi-refresh.service", "nvidia-cdi-refresh.path")]
    assert Cdi().process(["spec=", "driver=", *units, INFOROM, *LIST]).uuids == (
        "GPU-5f0b3c10-0", "GPU-5f0b3c11-0",
    )  # fmt: skip


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def said(lines: list[str], *, status: int, stream: int = 1) -> str:
    text = "\n".join(lines)
    return f"cat >&{stream} <<'X'\n{text}\nX\nexit {status}"


@pytest.mark.parametrize(
    ("lines", "status", "starts"),
    [
        ([*LIST, INFOROM], 14, True),
        ([*LIST, INFOROM], 0, True),
        ([INFOROM, *LIST], 14, True),
        (LIST, 8, True),
        (LIST, 10, True),
        ([GONE[0][0], LIST[1]], 0, True),
        ([LIST[0], "  MIG 1g.18gb Device 0: (UUID: MIG-1)", PERSISTENCE], 0, True),
        ([INFOROM], 14, False),
        (["No devices were found"], 6, False),
        (["Failed to initialize NVML: Driver/library version mismatch"], 18, False),
        ([], 0, False),
        (LIST, 124, False),
    ],
)
def test_a_workload_starts_where_its_gpu_is_listed(
    tmp_path: Path, lines: list[str], status: int, starts: bool
) -> None:
    program(tmp_path / "bin", "nvidia-smi", said(lines, status=status))
    program(tmp_path / "bin", "nvidia-ctk", "echo nvidia.com/gpu=0")
    done = subprocess.run(
        ["/bin/sh", ROOT / "files/workloads/workload", "probe", "0", "nvidia.com/gpu=0"],
        env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is starts, done.stderr
    assert starts or "nvidia-smi fails: " in done.stderr
    assert starts or not lines or status == 124 or lines[0] in done.stderr


def script(tmp_path: Path) -> list[str]:
    """What the drift check's script prints about the GPUs of a server with two."""
    text = request(merge([])).command
    head, _, rest = text.partition("echo ==sockets")
    section = "echo ==gpus" + rest.partition("echo ==gpus")[2].partition("echo ==containers")[0]
    for address in (ONE, TWO):
        device = tmp_path / "pci" / address
        device.mkdir(parents=True)
        (device / "vendor").write_text("0x10de\n")
        (device / "class").write_text("0x030200\n")
    section = section.replace("/sys/bus/pci/devices", str(tmp_path / "pci"))
    head = head.replace("PATH=", f"PATH={tmp_path}/bin:")
    done = subprocess.run(
        ["/bin/sh", "-c", head + section], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


# Knows no retired pages, and answers the rest as the genuine program does.
SMI = f"""
case "$*" in
*retired_pages.pending*)
    echo 'Field "retired_pages.pending" is not a valid field to query.'
    exit 2
    ;;
*pstate*) cat <<'X'
{HEALTH[0].replace("retired_pages.pending, ", "")}
{HEALTH[1].replace("No, ", "")}
{HEALTH[2].replace("No, ", "")}
X
    ;;
*) exit 3 ;;
esac
echo '{INFOROM}' >&STREAM
exit 14"""


@pytest.mark.parametrize("stream", ["1", "2"])
def test_the_script_asks_on_where_a_field_is_unknown(tmp_path: Path, stream: str) -> None:
    program(tmp_path / "bin", "nvidia-smi", SMI.replace("STREAM", stream))
    first, *lines, last = script(tmp_path)
    assert (first, last) == ("==gpus", "==rc 0")
    found = list(gpus.judge(lines, Subject("gpu01", merge([]))))
    assert [(one.id, one.kind) for one in found] == [
        ("host.gpus-retired_pages.pending", "unknown"),
        (f"host.gpu:{TWO}.inforom", "hardware"),
    ]


@pytest.mark.parametrize(("status", "lines"), [(9, ["NVIDIA-SMI has failed"]), (14, [INFOROM])])
def test_the_script_fails_without_a_table(tmp_path: Path, status: int, lines: list[str]) -> None:
    program(tmp_path / "bin", "nvidia-smi", said(lines, status=status))
    assert script(tmp_path)[-1] == f"==rc {status}"


STATE = "/run/nvidia-lab/state.json"


@pytest.fixture
def damaged(lab: Lab) -> Iterator[Lab]:
    """The lab while the infoROM of gpu01's GPU is damaged."""
    lab.ssh("gpu01", f"cp {STATE} {STATE}.kept 2>/dev/null; mkdir -p /run/nvidia-lab; "
            f"""echo '{{"gpus": {{"0": {{"inforom_corrupted": true}}}}}}' > {STATE}""")  # fmt: skip
    yield lab
    lab.ssh("gpu01", f"mv {STATE}.kept {STATE} 2>/dev/null || rm {STATE}")


def test_a_server_with_a_damaged_inforom_is_deployed_and_its_workload_starts(damaged: Lab) -> None:
    assert damaged.ssh("gpu01", "nvidia-smi -L", check=False).rc == 14
    damaged.ssh("gpu01", "systemctl restart torchrack-shell.service")
    done = damaged.deploy("--limit", "gpu01")
    assert (done.rc, done.changed("gpu01")) == (0, [])
    assert "infoROM is corrupted" in done.output
