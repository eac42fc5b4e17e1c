"""apt's plan as a person sees it before it is carried out."""

from __future__ import annotations

import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.context import ctx_host, ctx_state

from torchrack.apt.transaction import Plan, Step
from torchrack.operations import transaction

STEP = Step("upgrade", "libseccomp2", "2.5.5-1", "2.6.0-2")


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch):
    """``announced(plan)``: what is shown for a host where apt plans that."""

    def run(plan: Plan, *, executing: bool = False) -> list[str]:
        monkeypatch.setattr(transaction, "gather", lambda *_, **__: plan)
        inventory = Inventory((["@fake/gpu01"], {}))
        host = inventory.get_host("@fake/gpu01")
        shown: list[str] = []
        monkeypatch.setattr(host, "log", lambda text, *_: shown.append(text))
        state = State(inventory, Config())
        state.is_executing = executing
        with ctx_state.use(state), ctx_host.use(host):
            host.init(state)
            transaction.announce(["libseccomp2"], options=[])
        return shown

    return run


def test_the_plan_in_a_line(announced):
    assert announced(Plan((STEP,))) == ["apt would upgrade 1 (libseccomp2 2.5.5-1 -> 2.6.0-2)"]


def test_a_host_that_does_not_know_its_packages_yet(announced):
    error = "E: Unable to locate package docker-ce"
    (said,) = announced(Plan((), errors=(error,)))
    assert said == f"apt can't plan this yet, before its repositories are set up: {error}"


def test_nothing_more_is_shown_while_it_is_carried_out(announced):
    assert announced(Plan((STEP,)), executing=True) == []
