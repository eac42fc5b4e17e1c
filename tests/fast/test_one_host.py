"""One server from bare to done: `make test-fast` has it beside the unit tests.

`make test` leaves it out, since `tests/lab` does the same with two servers and much more.
"""

from __future__ import annotations

import pytest

from tests.lab.harness import BIN, INVENTORY, Deploy, Lab

HOST = "gpu01"


@pytest.fixture(scope="module")
def deployed(bare_lab: Lab) -> Deploy:
    return bare_lab.deploy("--limit", HOST)


def test_a_bare_server_becomes_ready(deployed: Deploy) -> None:
    assert any(name.startswith("workloads | ") for name in deployed.changed(HOST))


def test_a_second_run_changes_nothing(bare_lab: Lab, deployed: Deploy) -> None:
    assert bare_lab.deploy("--limit", HOST).changed(HOST) == []


def test_the_drift_check_finds_nothing(bare_lab: Lab, deployed: Deploy) -> None:
    done = bare_lab.run(BIN / "torchrack", "drift", INVENTORY, "--host", HOST, check=False)
    assert (done.rc, "nothing differs" in done.text) == (0, True), done.output


def test_the_state_is_as_declared(bare_lab: Lab, deployed: Deploy) -> None:
    done = bare_lab.state_tests("--limit", HOST)
    assert done.rc == 0, done.output
