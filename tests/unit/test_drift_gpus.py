"""The health of GPUs, judged from answers in the forms of the genuine nvidia-smi."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchrack.drift.probes import gpus
from torchrack.drift.probes.subject import Subject
from torchrack.nvidia_smi.links import links
from torchrack.settings.model import merge

RECORDED = Path(__file__).parent / "fixtures" / "nvidia-smi"
HEALTH = (
    "index, pci.bus_id, name, pstate, ecc.mode.current, ecc.mode.pending, "
    "ecc.errors.uncorrected.volatile.total, retired_pages.pending, "
    "retired_pages.single_bit_ecc.count, retired_pages.double_bit.count, pcie.link.gen.current, "
    "pcie.link.gen.max, pcie.link.width.current, pcie.link.width.max, temperature.gpu"
)
WELL = "NVIDIA H200, P0, Enabled, Enabled, 0, No, 0, 0, 5, 5, 16, 16, 34"
CLOCKS = (
    "pci.bus_id, clocks_event_reasons.hw_slowdown, clocks_event_reasons.hw_thermal_slowdown, "
    "clocks_event_reasons.hw_power_brake_slowdown, clocks_event_reasons.sw_thermal_slowdown"
)
ROWS = "gpu_bus_id, remapped_rows.pending, remapped_rows.failure"
ONE, TWO = "0000:1a:00.0", "0000:1b:00.0"


def answers(
    first: str = WELL,
    second: str = WELL,
    *,
    clocks: str = "Not Active, Not Active, Not Active, Not Active",
    fabric: str = "Completed, Success",
    rows: str = "0, 0",
    links: tuple[str, ...] = ("26.562 GB/s", "26.562 GB/s"),
) -> list[str]:
    """The lines of two H200; what is given is of the first one."""
    status = [
        "GPU 0: NVIDIA H200 (UUID: GPU-1)",
        *(f"\t Link {n}: {x}" for n, x in enumerate(links)),
    ]
    status += ["GPU 1: NVIDIA H200 (UUID: GPU-2)", "\t Link 0: 26.562 GB/s"]
    return [
        f"pci {ONE}",
        f"pci {TWO}",
        f"health {HEALTH}",
        f"health 0, 00000000:1A:00.0, {first}",
        f"health 1, 00000000:1B:00.0, {second}",
        f"clocks {CLOCKS}",
        f"clocks 00000000:1A:00.0, {clocks}",
        "fabric pci.bus_id, fabric.state, fabric.status",
        f"fabric 00000000:1A:00.0, {fabric}",
        f"rows {ROWS}",
        f"rows 00000000:1A:00.0, {rows}",
        *(f"links {line}" for line in status),
    ]


def judged(lines: list[str]) -> list[tuple[str, str, str]]:
    found = gpus.judge(lines, Subject("gpu01", merge([])))
    return [(one.id, one.kind, one.severity) for one in found]


def test_healthy_gpus_are_no_finding() -> None:
    assert judged(answers()) == []


def test_a_host_without_gpus_is_no_finding() -> None:
    assert judged([]) == []


@pytest.mark.parametrize(
    ("lines", "aspect", "severity"),
    [
        (answers(WELL.replace("Enabled, 0, No", "Enabled, 3, No")), "ecc", "outage"),
        (answers(WELL.replace("Enabled, Enabled", "Enabled, Disabled")), "ecc-mode", "compat"),
        (answers(WELL.replace("0, No, 0", "0, Yes, 0")), "remap-pending", "capacity"),
        (answers(rows="1, 0"), "remap-pending", "capacity"),
        (answers(rows="0, 1"), "remap-failed", "outage"),
        (answers(WELL.replace("No, 0, 0", "No, 50, 10")), "remap-failed", "outage"),
        (answers(WELL.replace("16, 16", "8, 16")), "pcie-width", "capacity"),
        (answers(WELL.replace("5, 5", "3, 5")), "pcie-speed", "capacity"),
        (answers(clocks="Active, Active, Not Active, Not Active"), "slowdown", "capacity"),
        (answers(clocks="Not Active, Not Active, Not Active, Active"), "slowdown", "capacity"),
        (answers(fabric="In Progress, N/A"), "fabric", "outage"),
        (answers(links=("26.562 GB/s", "<inactive>")), "nvlink", "capacity"),
        (answers(WELL.replace("34", "[GPU is lost]")), "lost", "outage"),
        (answers(WELL.replace("0, No", "[Unknown Error], No")), "lost", "outage"),
    ],
)
def test_what_ails_a_gpu_is_told_once(lines: list[str], aspect: str, severity: str) -> None:
    assert judged(lines) == [(f"host.gpu:{ONE}.{aspect}", "hardware", severity)]


def test_a_gpu_that_nvidia_smi_does_not_show_is_lost() -> None:
    lines = [line for line in answers() if not line.startswith("health 0")]
    assert judged(lines) == [(f"host.gpu:{ONE}.lost", "hardware", "outage")]


def test_an_idle_gpu_may_slow_its_link_down() -> None:
    assert judged(answers(WELL.replace("P0", "P8").replace("5, 5", "1, 5"))) == []


def test_a_card_without_ecc_and_bridges_is_well() -> None:
    card = "NVIDIA GeForce RTX 4090, P8, [N/A], [N/A], [N/A], [N/A], [N/A], [N/A], 1, 4, 16, 16, 32"
    lines = [
        f"pci {ONE}", f"health {HEALTH}", f"health 0, 00000000:1A:00.0, {card}", f"rows {ROWS}",
        "fabric pci.bus_id, fabric.state, fabric.status", "fabric 00000000:1A:00.0, N/A, N/A",
        "links GPU 0: NVIDIA GeForce RTX 4090 (UUID: GPU-1)",
    ]  # fmt: skip
    assert judged(lines) == []


def test_a_host_without_bridges_has_no_links_down() -> None:
    links = [
        "links GPU 0: NVIDIA H200 (UUID: GPU-1)", "links \t Link 0: <inactive>",
        "links GPU 1: NVIDIA H200 (UUID: GPU-2)", "links \t Link 0: <inactive>",
    ]  # fmt: skip
    assert judged([*(x for x in answers() if not x.startswith("links")), *links]) == []


@pytest.mark.parametrize("group", ["clocks", "fabric", "rows", "links"])
def test_a_group_without_an_answer_is_unknown(group: str) -> None:
    lines = [line for line in answers() if not line.startswith(group)]
    assert judged([*lines, f"failed {group} 2"]) == [(f"host.gpus-{group}", "unknown", "outage")]


@pytest.mark.parametrize(
    "lines",
    [
        ["nonsense"],
        ["health index, name", "health 0, x"],
        [f"health {HEALTH}", "health 0, 00000000:1A:00.0, cut"],
    ],
)
def test_what_makes_no_sense_is_an_error(lines: list[str]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        judged(lines)


def test_the_genuine_answer_about_links_is_understood() -> None:
    lines = (RECORDED / "h200x2" / "nvlink-status.out").read_text().splitlines()
    read = links(lines)
    assert {index: len(own) for index, own in read.up.items()} == {0: 18, 1: 18}
    assert (read.down, read.unknown, read.remarks) == ({}, {}, [])
