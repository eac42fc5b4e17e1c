"""The drop-in for each packaged unit."""

from __future__ import annotations

import pytest

from torchrack.persistence import drop_in

UBUNTU = """\
[Service]
Type=forking
ExecStart=/usr/bin/nvidia-persistenced --user nvidia-persistenced --no-persistence-mode --verbose
ExecStopPost=/bin/rm -rf /var/run/nvidia-persistenced
"""


@pytest.mark.parametrize(
    ("packaged", "start"),
    [
        (
            UBUNTU,
            "/usr/bin/nvidia-persistenced --persistence-mode --user nvidia-persistenced --verbose",
        ),
        (
            "ExecStart=/usr/bin/nvidia-persistenced --user nvpd\n",
            "/usr/bin/nvidia-persistenced --persistence-mode --user nvpd",
        ),
        (
            "ExecStart=/usr/bin/nvidia-persistenced --persistence-mode\n",
            "/usr/bin/nvidia-persistenced --persistence-mode",
        ),
    ],
)
def test_persistence_mode_is_on_and_the_rest_stays(packaged: str, start: str) -> None:
    lines = drop_in(packaged).splitlines()
    at = lines.index("ExecStart=")
    assert lines[at + 1] == f"ExecStart={start}"
    assert "StopWhenUnneeded=no" in lines


def test_unit_without_a_program() -> None:
    with pytest.raises(ValueError, match="ExecStart"):
        drop_in("[Unit]\n")
