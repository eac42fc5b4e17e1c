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
NOT_COMPARED = {"h200x2/power-limit.out"}
# What differs from host to host and from moment to moment.
VARYING = (
    (re.compile(r"GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "GPU-UUID"),
    (re.compile(r"\b\d{13}\b"), "SERIAL"),
    (re.compile(r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"), "TIMESTAMP"),
)


def _rows() -> list[tuple[str, str, int, str]]:
    with (RECORDED / "index.tsv").open() as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    return [
        (row["state"], row["command"], int(row["exit_status"]), row["stdout"])
        for row in rows
        if row["stdout"] not in NOT_COMPARED
    ]


def _comparable(text: str) -> str:
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    return text


def _as_on_silicon(text: str, state: str) -> str:
    """Give a recording what a real card says where the mock behind it had other values."""
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
    "mig": _with(gpus={"*": {"persistence": True, "mig": True}}),
    "module-not-loaded": lambda server: None,
    "no-library": _without_library,
    "no-permission": _with(init="no-permission"),
    "gpu-lost-at-init": _with(init="gpu-lost"),
    "unknown-error": _with(init="unknown-error"),
    "version-mismatch": _upgraded_under_the_module,
}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Server]:
    """A server in each state, prepared once."""

    @cache
    def prepared(state: str) -> Server:
        server = Server(tmp_path_factory.mktemp(state))
        if state == "rtx4090x1":
            server.plug(RTX4090, "17:00.0", class_="0x030000")
        else:
            server.plug(H200, "1a:00.0", "1b:00.0")
        server.install(VERSION)
        PREPARE[state](server)
        return server

    return prepared


@pytest.mark.parametrize(("state", "command", "status", "recording"), _rows())
def test_same_output_and_status(
    state: str, command: str, status: int, recording: str, servers: Callable[[str], Server]
) -> None:
    server = servers(state)
    before = server.state()

    result = server.run("smi", *shlex.split(command)[1:])

    server.set(**before)
    expected = _comparable((RECORDED / recording).read_text())
    assert _comparable(result.stdout) == _as_on_silicon(expected, state)
    assert (result.status, result.stderr) == (status, "")


def test_every_recorded_state_is_compared() -> None:
    assert {state for state, *_ in _rows()} == set(PREPARE)
