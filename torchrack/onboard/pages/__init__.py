"""The verdict, as it is told: for people on a terminal, as pages to keep, for programs.

``Onboarded.details`` may hold, by these keys, a value of the type beside it; every other key is a
heading for facts of its own: a mapping of names to values, a list of lines, or a text.
"""

from __future__ import annotations

HARDWARE = "hardware"
"""A :class:`torchrack.onboard.hardware.Hardware`."""
GPUS = "gpus"
"""A :class:`torchrack.onboard.gpu_check.GpuCheck`."""
STATE = "state"
"""A :class:`torchrack.onboard.state_tests.StateTests`."""
