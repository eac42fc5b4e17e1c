"""The pin's file and persistence mode, as the driver stage keeps them."""

from __future__ import annotations

import pytest

from tests.unit.plan import Plan, make_plan
from torchrack import difference
from torchrack.facts.conffiles import Conffile, Conffiles
from torchrack.facts.nvidia import SmiAnswer
from torchrack.nvidia_smi import Gpu, State
from torchrack.operations import persistence, pinning

PIN = "/etc/apt/preferences.d/nvidia-driver-pinning"
PACKAGE = "nvidia-driver-pinning-580.159.04"


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    return make_plan(monkeypatch)


@pytest.mark.parametrize(
    ("found", "actual"), [("a" * 32, None), ("b" * 32, "another content"), ("", "no such file")]
)
def test_a_pin_that_was_changed_is_brought_back(plan: Plan, found: str, actual: str | None) -> None:
    with difference.collecting() as heard:
        commands = plan(pinning.intact, {PIN: Conffile("a" * 32, found)}, package=PACKAGE)
    assert [one.actual for one in heard] == ([actual] if actual else [])
    if actual is None:
        assert commands == []
        return
    (script,) = commands
    assert f"rm -f -- {PIN}\n" in script
    # Fetched before the file goes, so that a mirror that is down leaves apt pinned as it was.
    assert script.index("--download-only") < script.index("rm -f")
    assert script.endswith(f"apt-mark hold {PACKAGE}\n")


def test_conffiles_as_dpkg_tells_them() -> None:
    fact = Conffiles()
    lines = [f"{PIN} {'a' * 32} {'a' * 32}", f"/etc/gone {'b' * 32} "]
    assert fact.process(lines) == {
        PIN: Conffile("a" * 32, "a" * 32),
        "/etc/gone": Conffile("b" * 32, ""),
    }
    assert fact.default() == {}


def _gpu(*, persistent: bool, lost: tuple[str, ...] = ()) -> Gpu:
    return Gpu(0, "H200", "GPU-1", "0000:1a:00.0", "580.159.04", persistent, lost)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (SmiAnswer(State.OK, "", (_gpu(persistent=True),)), []),
        (SmiAnswer(State.OK, "", (_gpu(persistent=False),)), ["nvidia-smi -pm 1"]),
        (SmiAnswer(State.OK, "", (_gpu(persistent=False, lost=("temperature.gpu",)),)), []),
        (SmiAnswer(State.NOT_LOADED, "no driver", ()), []),
    ],
)
def test_persistence_mode_is_switched_on_again(
    plan: Plan, answer: SmiAnswer, expected: list[str]
) -> None:
    assert plan(persistence.in_force, answer) == expected
