"""The simulated nvidia-smi prints what NVIDIA's own was recorded to print, state by state."""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.unit.lab.simulated import H200, RTX4090, Server

RECORDED = Path(__file__).parents[1] / "fixtures/nvidia-smi"
VERSION = "550.163.01"
# A mock answered for the hardware when these were recorded: it could not set a power limit.
# It is older than 595 and does not have its clocks; and it counted errors on the second GPU alone.
NOT_COMPARED = {
    "h200x2/power-limit.out",
    "versions/595.99.02/h200x2/q-performance.out",
}
# What differs from host to host and from moment to moment.
VARYING = (
    (re.compile(r"GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "GPU-UUID"),
    (re.compile(r"\b\d{13}\b"), "SERIAL"),
    (re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"), "TIMESTAMP"),
)
CUDA = {"535": "12.2", "550": "12.4", "570": "12.8", "580": "13.0", "595": "13.2"}


def _rows() -> list[tuple[str, str, str, int, str]]:
    """Version, state, command, exit status and recording; of the others what differs from 550."""
    with (RECORDED / "index.tsv").open() as lines:
        rows = [{"version": VERSION, **row} for row in csv.DictReader(lines, delimiter="\t")]
    with (RECORDED / "versions/index.tsv").open() as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            if row["same_as_550"] == "no":
                rows.append({**row, "stdout": f"versions/{row['stdout']}"})
    return [
        (row["version"], row["state"], row["command"], int(row["exit_status"]), row["stdout"])
        for row in rows
        if row["stdout"] not in NOT_COMPARED
    ]


def _comparable(text: str) -> str:
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return text


def _as_of_its_driver(text: str, version: str) -> str:
    """Give a recording of another version its own driver, and not the mock's of 550."""
    text = text.replace(f"Driver Version: {VERSION}", f"Driver Version: {version:<{len(VERSION)}}")
    text = text.replace(VERSION, version)
    text = re.sub(r"(CUDA Version *: )12\.4", rf"\g<1>{CUDA[version[:3]]}", text)
    return re.sub(r"(Reserved|Free)( +): (0|143771) MiB", _reserved, text)


def _reserved(match: re.Match[str]) -> str:
    amount = "600" if match[1] == "Reserved" else "143171"
    return f"{match[1]}{match[2]}: {amount} MiB" if match[0].startswith(match[1]) else match[0]


def _as_on_silicon(text: str, state: str) -> str:
    """Give a recording what a real card says where the mock behind it had other values."""
    text = text.replace("9.0, P0, 5, 5, 16, 16, [N/A]", "9.0, P0, 5, 5, 16, 16, 0x0000000000000001")
    if state == "ecc":
        # The mock counted 3 errors in total and 1 in the memory that the table shows.
        return re.sub(r"(Off \|  +)1 \|", r"\g<1>3 |", text)
    if state != "rtx4090x1":
        return text
    text = re.sub(r"SERIAL(?=, )", "[N/A]", text)
    text = text.replace("Disabled, 0, Disabled, 8.9", "Disabled, [N/A], [N/A], 8.9")
    return re.sub(r"(\|  +)     Disabled \|\n", r"\g<1>          N/A |\n", text)


def _healthy(server: Server) -> None:
    server.load()
    if (server.root / "sys/bus/pci/devices/0000:1a:00.0").exists():
        (server.root / "run/nvidia-lab/driver/nvidia-nvswitch/devices").mkdir(parents=True)
        (server.root / "run/nvidia-lab/fabric").mkdir()
        (server.root / "run/nvidia-lab/fabric/completed").touch()
    server.set(gpus={"*": {"persistence": True}})


def _with(**state: object) -> Callable[[Server], None]:
    def prepare(server: Server) -> None:
        server.load()
        server.set(**state)

    return prepare


def _without_library(server: Server) -> None:
    server.load()
    (server.root / "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1").unlink()


def _upgraded_under_the_module(server: Server) -> None:
    server.put_module("550.127.05")
    server.load()


PREPARE: dict[str, Callable[[Server], None]] = {
    "h200x2": _healthy,
    "rtx4090x1": _healthy,
    "busy": _with(
        processes=[
            {"pid": 4242, "name": "python3", "memory": 1234, "gpus": [0, 1], "type": "M+C+G"}
        ]
    ),
    "gpu-lost": _with(gpus={"*": {"persistence": True}, "1": {"lost": True}}),
    "ecc": _with(gpus={"*": {"persistence": True, "ecc_uncorrected": 3}}),
    "one-ecc": _with(gpus={"1": {"ecc_uncorrected": 1}}),
    "remap": _with(
        gpus={
            "*": {
                f"remapped_{name}": 1
                for name in ("correctable", "uncorrectable", "pending", "failure")
            }
        }
    ),
    "mig": _with(gpus={"*": {"persistence": True, "mig": True}}),
    "module-not-loaded": lambda server: None,
    "no-library": _without_library,
    "no-permission": _with(init="no-permission"),
    "gpu-lost-at-init": _with(init="gpu-lost"),
    "unknown-error": _with(init="unknown-error"),
    "version-mismatch": _upgraded_under_the_module,
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Server]:
    """A server in each state with each version, prepared once."""

    @cache
    def prepared(state: str, version: str) -> Server:
        server = Server(tmp_path_factory.mktemp(state))
        if state == "rtx4090x1":
            server.plug(RTX4090, "17:00.0", class_="0x030000")
        else:
            server.plug(H200, "1a:00.0", "1b:00.0")
        server.install(version)
        PREPARE[state](server)
        return server

    return prepared


@pytest.mark.parametrize("row", _rows(), ids=lambda row: f"{row[0]} {row[4]}")
def test_same_output_and_status(
    row: tuple[str, str, str, int, str], servers: Callable[[str, str], Server]
) -> None:
    version, state, command, status, recording = row
    server = servers("one-ecc" if recording.endswith("ecc/ecc.out") else state, version)
    before = server.state()

    result = server.run("smi", *shlex.split(command)[1:])

    server.set(**before)
    text = (RECORDED / recording).read_text()
    expected = _comparable(text if version == VERSION else _as_of_its_driver(text, version))
    assert _comparable(result.stdout) == _as_on_silicon(expected, state)
    assert (result.status, result.stderr) == (status, "")


def test_every_recorded_state_is_compared() -> None:
    assert {state for _, state, *_ in _rows()} == set(PREPARE) - {"one-ecc"}
