"""PyTorch works in the containers; apart from the rest because it costs seconds of CPU."""

from __future__ import annotations

import json

from tests.state import workload_probes as probes
from tests.state.target import Target
from tests.state.workload_probes import parts

PROBES = {"workload_train": probes.train}


def test_torch_trains(target: Target) -> None:
    for name, lines in parts(target, "workload_train").items():
        assert lines, f"{name}: the training step said nothing"
        assert lines[-1].startswith("{"), f"{name}: {lines[-1]}"
        step = json.loads(lines[-1])
        assert step["loss_after"] < step["loss_before"], f"{name}: {step}"
