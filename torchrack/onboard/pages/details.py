"""``Onboarded.details`` with the types that its keys stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torchrack.onboard.gpu_check import GpuCheck
from torchrack.onboard.hardware import Hardware
from torchrack.onboard.model import Onboarded
from torchrack.onboard.pages import GPUS, HARDWARE, STATE
from torchrack.onboard.state_tests import StateTests


@dataclass(frozen=True)
class Details:
    """What is known of a server; None: it was not come to.

    Args:
        hardware: what it is made of.
        gpus: what the GPU check counted.
        state: what came of the state tests.
        facts: all else, by heading.
    """

    hardware: Hardware | None
    gpus: GpuCheck | None
    state: StateTests | None
    facts: Mapping[str, object]


def details_of(result: Onboarded) -> Details:
    """Return the details of a server, each where it belongs."""
    hardware, gpus, state = (result.details.get(key) for key in (HARDWARE, GPUS, STATE))
    return Details(
        hardware=hardware if isinstance(hardware, Hardware) else None,
        gpus=gpus if isinstance(gpus, GpuCheck) else None,
        state=state if isinstance(state, StateTests) else None,
        facts={
            key: value
            for key, value in result.details.items()
            if key not in (HARDWARE, GPUS, STATE)
        },
    )
