"""nvidia-smi's own output, recorded state by state (tests/unit/fixtures/nvidia-smi/index.tsv)."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from torchrack.nvidia_smi import (
    FIELDS,
    Process,
    State,
    gpus,
    message,
    processes,
    state,
    sysfs_address,
)

RUNS = Path(__file__).parent / "fixtures" / "nvidia-smi"
INDEX = list(csv.DictReader((RUNS / "index.tsv").open(), delimiter="\t"))
INDEX += [
    row | {"stdout": f"versions/{row['stdout']}"}
    for row in csv.DictReader((RUNS / "versions/index.tsv").open(), delimiter="\t")
    if row["same_as_550"] == "no"
]
FAILURES = {
    "no-permission": State.NO_PERMISSION,
    "module-not-loaded": State.NOT_LOADED,
    "gpu-lost-at-init": State.LOST,
    "version-mismatch": State.VERSION_MISMATCH,
    "unknown-error": State.UNKNOWN,
    "no-library": State.NO_LIBRARY,
}
ODD = {
    "gpu-lost/table.out": State.LOST,
    "h200x2/no-such-index.out": State.NO_DEVICES,
    "h200x2/bad-field.out": State.REFUSED,
    "h200x2/no-format.out": State.REFUSED,
    "h200x2/power-limit-refused.out": State.REFUSED,
    "h200x2/bad-flag.out": State.UNKNOWN,
    "versions/535.274.02/h200x2/version.out": State.UNKNOWN,
    "versions/535.274.02/h200x2/mig-lgi.out": State.NO_DEVICES,
    "versions/535.274.02/gpu-lost/table.out": State.LOST,
    "versions/570.133.07/gpu-lost/table.out": State.LOST,
    "versions/580.178.04/gpu-lost/table.out": State.LOST,
    "versions/595.99.02/gpu-lost/table.out": State.LOST,
}


def text(path: str) -> str:
    return (RUNS / path).read_text()


@pytest.mark.parametrize("run", INDEX, ids=[f"{r['stdout']}{i}" for i, r in enumerate(INDEX)])
def test_every_recorded_run_has_its_state(run: dict[str, str]) -> None:
    expected = FAILURES.get(run["state"]) or ODD.get(run["stdout"], State.OK)
    assert state(int(run["exit_status"]), text(run["stdout"])) is expected


@pytest.mark.parametrize(
    ("status", "expected"), [(127, State.MISSING), (124, State.HUNG), (137, State.HUNG)]
)
def test_states_of_the_shell_and_of_timeout(status: int, expected: State) -> None:
    assert state(status, "") is expected


def test_two_healthy_gpus() -> None:
    first, second = gpus(text("h200x2/query.out"))
    assert (first.index, first.name, first.address) == (0, "NVIDIA H200", "0000:1a:00.0")
    assert second.uuid == "GPU-5f0b3c11-7a64-4d1e-9c3a-2e8f10a4b6d1"
    assert second.driver == "550.163.01"
    assert first.persistence
    assert first.lost == second.lost == ()


def test_a_lost_gpu_is_not_healthy_though_the_exit_status_is_0() -> None:
    healthy, lost = gpus(text("gpu-lost/query.out"))
    assert healthy.lost == ()
    assert {"memory.used", "temperature.gpu"} <= set(lost.lost)
    assert {"memory.used", "temperature.gpu"} <= set(FIELDS)


@pytest.mark.parametrize(
    ("name", "persistence"), [("busy", False), ("ecc", True), ("mig", True), ("rtx4090x1", True)]
)
def test_persistence(name: str, persistence: bool) -> None:
    assert {gpu.persistence for gpu in gpus(text(f"{name}/query.out"))} == {persistence}


def test_processes_are_named_once_each() -> None:
    assert processes(text("busy/apps.out")) == [Process(4242, "python3")]
    assert processes(text("h200x2/apps.out")) == []


@pytest.mark.parametrize("name", [*FAILURES, "h200x2"])
def test_an_error_text_is_never_taken_for_gpus(name: str) -> None:
    file = "h200x2/bad-field.out" if name == "h200x2" else f"{name}/query.out"
    try:
        found = gpus(text(file))
    except ValueError:
        return
    assert found == []


@pytest.mark.parametrize("output", ["", "index, name\n0, X", "index, name, uuid\n0, NVIDIA"])
def test_an_answer_that_is_cut_off(output: str) -> None:
    with pytest.raises(ValueError, match="nvidia-smi"):
        gpus(output)
    with pytest.raises(ValueError, match="nvidia-smi"):
        processes(output)


def test_message_is_one_line() -> None:
    assert message(text("version-mismatch/list.out")) == (
        "Failed to initialize NVML: Driver/library version mismatch NVML library version: 550.163"
    )


@pytest.mark.parametrize(
    ("bus_id", "address"),
    [("00000000:1A:00.0", "0000:1a:00.0"), ("00010000:C3:00.0", "10000:c3:00.0")],
)
def test_sysfs_address(bus_id: str, address: str) -> None:
    assert sysfs_address(bus_id) == address
