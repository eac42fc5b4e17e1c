"""A CDI spec that nvidia-ctk 1.20 wrote, current and stale."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.plan import Plan
from torchrack.cdi import problems, read
from torchrack.facts.cdi import Cdi, CdiState
from torchrack.operations import cdi

FIXTURE = Path(__file__).parent / "fixtures" / "nvidia-ctk" / "cdi-h200x2-580.105.08.yaml"
TEXT = FIXTURE.read_text()
UUIDS = (
    "GPU-5f0b3c10-7a64-4d1e-9c3a-2e8f10a4b6d0",
    "GPU-5f0b3c11-7a64-4d1e-9c3a-2e8f10a4b6d1",
)
CURRENT = CdiState(TEXT, (), "580.105.08", UUIDS, (), True, False)
LIBCUDA = "/usr/lib/x86_64-linux-gnu/libcuda.so.580.105.08"


def test_read() -> None:
    spec = read(TEXT)
    assert spec.kind == "nvidia.com/gpu"
    assert spec.devices == ("0", "1", *UUIDS, "all")
    assert spec.drivers == {"580.105.08"}
    assert {"/dev/nvidia0", "/dev/nvidiactl", LIBCUDA, "/usr/bin/nvidia-cdi-hook"} <= spec.paths


@pytest.mark.parametrize(
    ("text", "driver", "uuids", "missing", "expected"),
    [
        (TEXT, "580.105.08", UUIDS, (), []),
        (TEXT, "580.159.04", UUIDS, (), ["libraries of driver 580.105.08"]),
        (TEXT, "580.105.08", [*UUIDS, "GPU-9"], (), ["no device GPU-9"]),
        (TEXT, "580.105.08", UUIDS, [LIBCUDA], [f"paths that do not exist: {LIBCUDA}"]),
        (TEXT, "580.105.08", UUIDS, ["/etc/elsewhere"], []),
        ("", "580.105.08", UUIDS, (), ["no /var/run/cdi/nvidia.yaml"]),
    ],
)
def test_staleness(
    text: str, driver: str, uuids: Sequence[str], missing: Sequence[str], expected: list[str]
) -> None:
    assert problems(text, driver=driver, uuids=uuids, missing=missing) == expected


@pytest.mark.parametrize("text", ["a: [", "[]", "kind: x", "devices: 5\nkind: x"])
def test_what_is_no_spec(text: str) -> None:
    (problem,) = problems(text, driver="580.105.08", uuids=UUIDS, missing=())
    assert "is not a CDI spec" in problem


def test_fact() -> None:
    output = [
        f"spec={base64.b64encode(TEXT.encode()).decode()}",
        f"missing={LIBCUDA}",
        "driver=NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.105.08  Release Build",
        "unit=nvidia-cdi-refresh.service Result=exec-condition ActiveState=inactive "
        "UnitFileState=enabled ConditionResult=yes",
        "unit=nvidia-cdi-refresh.path Result=success ActiveState=active UnitFileState=disabled",
        f"GPU 0: NVIDIA H200 (UUID: {UUIDS[0]})",
        f"GPU 1: NVIDIA H200 (UUID: {UUIDS[1]})",
    ]
    assert Cdi().process(output) == CdiState(
        TEXT, (LIBCUDA,), "580.105.08", UUIDS, ("nvidia-cdi-refresh.path",), True, True
    )


def test_nothing_to_do(plan: Plan) -> None:
    assert plan(cdi.current, CURRENT) == []


def test_units_are_enabled_without_a_refresh(plan: Plan) -> None:
    (command,) = plan(cdi.current, replace(CURRENT, path_active=False))
    assert "systemctl start nvidia-cdi-refresh.path" in command
    assert "restart" not in command


def test_a_stale_spec_is_refreshed_and_looked_at_again(plan: Plan) -> None:
    refresh, refusal = plan(cdi.current, replace(CURRENT, driver="580.159.04", skipped=True))
    assert "systemctl restart nvidia-cdi-refresh.service" in refresh
    assert "libraries of driver 580.105.08 (nvidia-cdi-refresh.service was skipped)" in refusal


def test_without_a_driver_nothing_is_tried(plan: Plan) -> None:
    (refusal,) = plan(cdi.current, replace(CURRENT, driver=""))
    assert "no loaded NVIDIA driver" in refusal
