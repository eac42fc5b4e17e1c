"""nvidia-smi of another driver branch says the same in other words.

535 prints 0 and 1 for a row remap that is pending, 570 and newer print No and Yes: the reader took
it for a number, and nothing was known of any GPU. 535 to 570 print "state  Completed" for the
fabric's state, which was an outage on every host with NVSwitches. A registration that completed
with an error was taken for a good one.

Reference: https://github.com/Azure/azhpc-images/pull/506
Kind: forms of nvidia-smi's values, by branch, board and mode.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from torchrack.drift.model import Finding
from torchrack.drift.probes import gpus
from torchrack.drift.probes.gpu_answers import FIELDS
from torchrack.drift.probes.subject import Subject
from torchrack.settings.model import merge

RECORDED = Path(__file__).parents[1] / "unit/fixtures/nvidia-smi/versions"
VERSIONS = ("535.274.02", "570.133.07", "580.178.04", "595.99.02")
ONE, TWO = "0000:1a:00.0", "0000:1b:00.0"
HEALTH = {
    "index": "0",
    "pci.bus_id": "00000000:1A:00.0",
    "name": "NVIDIA H200",
    "pstate": "P0",
    "ecc.mode.current": "Enabled",
    "ecc.mode.pending": "Enabled",
    "ecc.errors.uncorrected.volatile.total": "0",
    "retired_pages.pending": "No",
    "retired_pages.single_bit_ecc.count": "0",
    "retired_pages.double_bit.count": "0",
    "pcie.link.gen.current": "5",
    "pcie.link.gen.max": "5",
    "pcie.link.width.current": "16",
    "pcie.link.width.max": "16",
    "temperature.gpu": "34",
    "mig.mode.current": "Disabled",
}
SECOND = {"index": "1", "pci.bus_id": "00000000:1B:00.0"}
CLOCKS = {
    f"clocks_event_reasons.{name}": "Not Active"
    for name in ("hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown")
} | {"clocks_event_reasons.sw_thermal_slowdown": "Not Active"}
FABRIC = {"fabric.state": "Completed", "fabric.status": "Success"}
ROWS = {"remapped_rows.pending": "No", "remapped_rows.failure": "No"}
ABSENT = ["N/A", "[N/A]", "Not Supported", "[Not Supported]", ""]
DEPRECATED = "[Requested functionality has been deprecated]"


def table(group: str, *rows: dict[str, str]) -> list[str]:
    return [f"{group} {', '.join(line)}" for line in (rows[0], *(row.values() for row in rows))]


def answers(**values: str) -> list[str]:
    """Two H200 of 580; the values are the first one's, "__" for each dot."""
    given = {name.replace("__", "."): value for name, value in values.items()}

    def of(fields: dict[str, str]) -> dict[str, str]:
        return {name: given.get(name, value) for name, value in fields.items()}

    bus = {"pci.bus_id": "00000000:1A:00.0"}
    rows = {"gpu_bus_id": "00000000:1A:00.0"}
    return [
        f"pci {ONE}",
        f"pci {TWO}",
        *table("health", of(HEALTH), HEALTH | SECOND),
        *table("clocks", bus | of(CLOCKS), bus | CLOCKS | {"pci.bus_id": "00000000:1B:00.0"}),
        *table("fabric", bus | of(FABRIC), bus | FABRIC | {"pci.bus_id": "00000000:1B:00.0"}),
        *table("rows", rows | of(ROWS), rows | ROWS | {"gpu_bus_id": "00000000:1B:00.0"}),
    ]


def judged(lines: list[str]) -> list[Finding]:
    return list(gpus.judge(lines, Subject("gpu01", merge([]))))


def told(lines: list[str]) -> list[tuple[str, str]]:
    return [(one.id.removeprefix("host."), one.kind) for one in judged(lines)]


def without(lines: list[str], group: str) -> list[str]:
    return [line for line in lines if not line.startswith(group)]


def recorded(version: str, path: str, group: str) -> list[str]:
    return [f"{group} {line}" for line in (RECORDED / version / path).read_text().splitlines()]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_registered_gpu_is_well(version: str) -> None:
    assert (
        told([*without(answers(), "fabric"), *recorded(version, "h200x2/fabric.out", "fabric")])
        == []
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_remapped_rows_are_found_and_hide_no_neighbour(version: str) -> None:
    lines = without(answers(ecc__errors__uncorrected__volatile__total="3"), "rows")
    assert told([*lines, *recorded(version, "remap/remapped.out", "rows")]) == [
        (f"gpu:{ONE}.ecc", "hardware"),
        *((f"gpu:{ONE}.remap-{what}", "hardware") for what in ("pending", "failed")),
        *((f"gpu:{TWO}.remap-{what}", "hardware") for what in ("pending", "failed")),
    ]


@pytest.mark.parametrize("field", [*ROWS, "retired_pages.pending"])
@pytest.mark.parametrize(
    ("value", "found"),
    [("0", 0), ("1", 1), ("No", 0), ("Yes", 1), ("no", 0), ("YES", 1), ("2", 1), (DEPRECATED, 0)],
)
def test_a_yes_is_a_yes_in_any_words(field: str, value: str, found: int) -> None:
    assert len(told(answers(**{field: value}))) == found


@pytest.mark.parametrize(
    ("state", "status", "found"),
    [
        ("Completed", "Success", None),
        ("state  Completed", "status Success", None),
        ("Completed", "[N/A]", None),
        *((value, value, None) for value in ABSENT),
        ("state  N/A", "status N/A", None),
        ("Not Supported", "Success", None),
        ("In Progress", "N/A", "hardware"),
        ("state  In Progress", "status N/A", "hardware"),
        ("Not Started", "N/A", "hardware"),
        ("state  Not Started", "status Success", "hardware"),
        ("Completed", "Insufficient Resources", "hardware"),
        ("state  Completed", "status Unknown Error", "hardware"),
        ("Completed", "Unknown Error", "hardware"),
        ("Degraded", "Success", "unknown"),
        ("[Unknown Error]", "Success", "unknown"),
        ("Unknown", "N/A", "unknown"),
    ],
)
def test_every_state_of_the_fabric(state: str, status: str, found: str | None) -> None:
    lines = answers(fabric__state=state, fabric__status=status)
    aspect = "fabric.state" if found == "unknown" else "fabric"
    assert told(lines) == ([(f"gpu:{ONE}.{aspect}", found)] if found else [])


JUDGED = sorted({*HEALTH, *CLOCKS, *FABRIC, *ROWS} - {"index", "pci.bus_id", "name"})
LINKS_DOWN = [
    "links GPU 0: NVIDIA H200 (UUID: GPU-1)",
    "links \t Link 0: <inactive>",
    "links GPU 1: NVIDIA H200 (UUID: GPU-2)",
    "links \t Link 0: 26.562 GB/s",
]


def test_each_field_that_is_asked_for_is_judged_here() -> None:
    asked = {field for fields in FIELDS.values() for field in fields}
    assert asked <= {*HEALTH, *CLOCKS, *FABRIC, *ROWS, "gpu_bus_id"}


@pytest.mark.parametrize("value", ["Quux", "[Quux]", "[Insufficient Permissions]", "[Timeout]"])
@pytest.mark.parametrize("field", JUDGED)
def test_an_unknown_value_is_unknown_alone_and_named(field: str, value: str) -> None:
    lines = [*answers(**{field: value}), *(LINKS_DOWN if field == "mig.mode.current" else [])]
    lines = [line.replace("1B:00.0, NVIDIA H200, P0, Enabled, Enabled, 0", "1B:00.0, "
                          "NVIDIA H200, P0, Enabled, Enabled, 7") for line in lines]  # fmt: skip
    found = judged(lines)
    expected = {(f"host.gpu:{TWO}.ecc", "hardware"), (f"host.gpu:{ONE}.{field}", "unknown")}
    if field == "mig.mode.current":
        expected.add((f"host.gpu:{ONE}.nvlink", "hardware"))
    if field == "fabric.status" and value == "Quux":  # an error that NVML did not have yet
        expected = {(f"host.gpu:{TWO}.ecc", "hardware"), (f"host.gpu:{ONE}.fabric", "hardware")}
    assert {(one.id, one.kind) for one in found} == expected
    assert any(value in one.actual for one in found)


@pytest.mark.parametrize("value", [*ABSENT, DEPRECATED, "[Function Not Found]"])
@pytest.mark.parametrize("field", JUDGED)
def test_a_value_that_a_board_does_not_have_is_no_finding(field: str, value: str) -> None:
    assert told(answers(**{field: value})) == []


@pytest.mark.parametrize(
    "value", ["[GPU is lost]", "[GPU requires reset]", "[Unknown Error]", "ERR!", "[Not Found]"]
)
def test_a_lost_gpu_is_reported_once(value: str) -> None:
    volatile = ("temperature.gpu", "ecc.errors.uncorrected.volatile.total", "pstate")
    assert told(answers(**dict.fromkeys(volatile, value))) == [(f"gpu:{ONE}.lost", "hardware")]


def test_an_unknown_error_of_one_setting_is_no_lost_gpu() -> None:
    assert told(answers(retired_pages__pending="[Unknown Error]")) == [
        (f"gpu:{ONE}.retired_pages.pending", "unknown")
    ]


def test_the_ecc_of_a_damaged_inforom_is_not_lost() -> None:
    assert told(answers(ecc__errors__uncorrected__volatile__total="[Corrupted infoROM]")) == [
        (f"gpu:{ONE}.inforom", "hardware")
    ]


@pytest.mark.parametrize(
    ("pstate", "found"), [("P8", []), ("P12", []), ("P0", ["width"]), ("P2", ["width"])]
)
def test_an_idle_gpu_may_narrow_its_link(pstate: str, found: list[str]) -> None:
    """ "These may be reduced when the GPU is not in use": nvidia-smi --help-query-gpu."""
    lines = answers(pstate=pstate, pcie__link__width__current="8")
    assert told(lines) == [(f"gpu:{ONE}.pcie-{what}", "hardware") for what in found]


def test_mig_mode_takes_the_links_down() -> None:
    mig = [*answers(mig__mode__current="Enabled"), *LINKS_DOWN]
    assert told(mig) == []
    assert told([*answers(), *LINKS_DOWN]) == [(f"gpu:{ONE}.nvlink", "hardware")]


@pytest.mark.parametrize("status", [0, 3, 6, 255])
def test_no_bridge_in_other_words(status: int) -> None:
    words = "NVML: Unable to retrieve NVLink information as all links are inActive"
    lines = ["links GPU 0: NVIDIA H100 PCIe (UUID: GPU-1)", f"links {words}"]
    failed = [f"failed links {status}"] if status else []
    expected = [("gpus-links", "unknown")] if status in (6, 255) else []
    assert told([*answers(), *lines, *failed]) == expected


def test_an_unknown_form_of_a_link_is_named() -> None:
    lines = [line.replace("<inactive>", "recovering") for line in LINKS_DOWN]
    (found,) = judged([*answers(), *lines])
    assert (found.id, found.kind) == (f"host.gpu:{ONE}.nvlink-0", "unknown")
    assert "recovering" in found.actual


@pytest.mark.parametrize("card", ["NVIDIA GeForce RTX 4090", "GRID T4-16Q", "NVIDIA A10-24Q"])
def test_consumer_cards_and_virtual_gpus(card: str) -> None:
    missing = dict.fromkeys((*HEALTH, *CLOCKS, *FABRIC, *ROWS), "[N/A]")
    named = {"index": "0", "pci.bus_id": "00000000:1A:00.0", "name": card}
    lines = answers(**(missing | named))
    assert told(lines) == []


def test_a_field_that_a_branch_lost_is_unknown_and_the_rest_is_judged() -> None:
    health = {n: v for n, v in HEALTH.items() if not n.startswith("retired_pages")}
    lines = without(answers(), "health")
    worn = health | {"ecc.errors.uncorrected.volatile.total": "1"}
    assert told([*lines, *table("health", worn, health | SECOND)]) == [
        ("gpus-retired_pages.pending", "unknown"),
        ("gpus-retired_pages.single_bit_ecc.count", "unknown"),
        ("gpus-retired_pages.double_bit.count", "unknown"),
        (f"gpu:{ONE}.ecc", "hardware"),
    ]


def test_more_columns_and_another_order() -> None:
    health = {"timestamp": "2026/11/28 13:12:55.000"} | dict(reversed(HEALTH.items()))
    second = health | SECOND | {"remapped_rows.histogram.max": "192 bank(s)"}
    first = health | {"remapped_rows.histogram.max": "192 bank(s)"}
    assert told([*without(answers(), "health"), *table("health", first, second)]) == []


def test_a_pci_domain_of_more_than_four_digits() -> None:
    lines = [line.replace("00000000:1A", "00010000:4C").replace(ONE, "10000:4c:00.0")
             for line in answers()]  # fmt: skip
    assert told(lines) == []
