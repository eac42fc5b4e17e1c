"""The proofs of a verdict on real servers: hardware, GPUs in a container, state tests."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.lab.breaks.driver import STATE
from tests.lab.harness import INVENTORY, ROOT, Lab, wait_for
from torchrack.errors import Problem
from torchrack.lock.fleet import locked_fleet
from torchrack.onboard.gpu_check import GpuCheck, check_gpus
from torchrack.onboard.hardware import UNKNOWN, Hardware, hardware
from torchrack.onboard.state_tests import StateTests, run_state_tests
from torchrack.remote import Session, across
from torchrack.settings import Settings

HOST = "gpu01"
CONTAINERS = "docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}}'"
CHECKS = "docker ps -aq --filter label=io.torchrack.check"


@pytest.fixture
def ask(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """``ask(work)``: what comes of working in a session on the host."""
    monkeypatch.setenv("TORCHRACK_LAB", str(lab.folder))

    def of(work: Callable[[Session], object]) -> object:
        fleet = [one for one in locked_fleet(ROOT / INVENTORY) if one.name == HOST]
        return across(fleet, work)[HOST]

    return of


def check(session: Session) -> GpuCheck:
    return check_gpus(session, session.host.settings)


@contextmanager
def harmed(lab: Lab, harm: str, undo: str) -> Iterator[None]:
    lab.ssh(HOST, harm)
    try:
        yield
    finally:
        lab.ssh(HOST, undo)


def of_driver(state: str) -> tuple[str, str]:
    """How the simulated driver is made to show a fault, and to be as before."""
    return (
        f"cp {STATE} {STATE}.was 2>/dev/null; echo '{state}' >{STATE}",
        f"rm {STATE}; mv {STATE}.was {STATE} 2>/dev/null; true",
    )


def told(found: GpuCheck | StateTests) -> list[tuple[str, str]]:
    return [(problem.what, problem.found) for problem in found.problems]


def test_hardware_of_a_deployed_server(ask: Callable[..., Hardware]) -> None:
    found = ask(hardware)
    assert [gpu.name for gpu in found.gpus] == ["NVIDIA H200"] * 2
    assert all(gpu.uuid.startswith("GPU-") and gpu.serial != UNKNOWN for gpu in found.gpus)
    assert found.machine.virtual == "systemd-nspawn"
    assert found.kernel != UNKNOWN
    assert found.processors.threads


def test_all_gpus_reach_the_container_and_nothing_is_left(
    lab: Lab, ask: Callable[..., GpuCheck]
) -> None:
    before = lab.ssh(HOST, CONTAINERS).stdout
    found = ask(check)
    assert told(found) == []
    # The lab's PyTorch is a CPU build, as its image declares.
    assert (found.on_pci, found.on_host, found.in_container, found.by_torch) == (2, 2, 2, 0)
    assert "built without CUDA, as its image declares" in found.notes[0]
    (step,) = found.steps
    assert (step.device, step.after < step.before) == ("cpu", True)
    assert lab.ssh(HOST, CONTAINERS).stdout == before


def test_one_of_two_gpus_is_lost(lab: Lab, ask: Callable[..., GpuCheck]) -> None:
    with harmed(lab, *of_driver('{"gpus": {"1": {"lost": true}}}')):
        found = ask(check)
    assert (found.on_pci, found.on_host) == (2, 1)
    assert told(found) == [("GPUs by nvidia-smi on the host", "1: 0000:4c:00.0 is lost")]


def test_nvidia_smi_fails(lab: Lab, ask: Callable[..., GpuCheck]) -> None:
    with harmed(lab, *of_driver('{"init": "unknown-error"}')):
        found = ask(check)
    assert found.on_host is None
    what, said = told(found)[0]
    assert what == "nvidia-smi on the host"
    assert "Failed to initialize NVML: Unknown Error" in said


def test_without_a_cdi_spec(lab: Lab, ask: Callable[..., GpuCheck]) -> None:
    hide = "for f in /etc/cdi/*.yaml /var/run/cdi/*.yaml; do [ ! -e $f ] || mv $f $f.away; done"
    show = "for f in /etc/cdi/*.away /var/run/cdi/*.away; do [ ! -e $f ] || mv $f ${f%.away}; done"
    with harmed(lab, hide, show):
        found = ask(check)
    ((what, said),) = told(found)
    assert what == "Container of image pytorch with all GPUs"
    assert "unresolvable CDI devices nvidia.com/gpu=all" in said
    assert found.in_container is None


def test_without_its_image(lab: Lab, ask: Callable[..., GpuCheck]) -> None:
    found = ask(lambda session: check_gpus(session, _of_another_digest(session)))
    ((what, said),) = told(found)
    assert what == "Image pytorch"
    assert said.startswith("not on the host")
    assert lab.ssh(HOST, CHECKS).stdout == ""


def _of_another_digest(session: Session) -> Settings:
    settings = session.host.settings
    name, _, _ = settings.images.catalog["pytorch"].partition("@")
    images = settings.images.changed(catalog={"pytorch": f"{name}@sha256:{'0' * 64}"})
    return replace(settings, images=images)


def test_a_container_that_takes_too_long_is_ended(lab: Lab, ask: Callable[..., GpuCheck]) -> None:
    # Less than PyTorch's import takes on any machine.
    found = ask(lambda session: check_gpus(session, session.host.settings, seconds=0.02))
    ((what, said),) = told(found)
    assert what == "Container of image pytorch with all GPUs"
    assert said.startswith("no end after 0.02 s: Timeout (0:00:00.020000)!")
    assert lab.ssh(HOST, CHECKS).stdout == ""


def test_the_controller_dies_in_the_middle(lab: Lab, ask: Callable[..., object]) -> None:
    process = multiprocessing.get_context("fork").Process(target=ask, args=(check,))
    process.start()
    wait_for(lambda: bool(lab.ssh(HOST, CHECKS).stdout), "the container")
    process.kill()
    process.join()
    wait_for(lambda: not lab.ssh(HOST, CHECKS).stdout, "the container's end")


def test_the_state_tests_pass_and_fail(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHRACK_LAB", str(lab.folder))
    seen: list[tuple[int, int]] = []
    inventory = Path(INVENTORY)
    found = run_state_tests(inventory, HOST, progress=lambda *now: seen.append(now))
    assert told(found) == []
    assert found.passed == len(found.tests) > 100
    assert seen[-1] == (len(found.tests), len(found.tests))
    with harmed(
        lab, "chmod 0644 /etc/sudoers.d/90-torchrack", "chmod 0440 /etc/sudoers.d/90-torchrack"
    ):
        broken = run_state_tests(inventory, HOST)
    assert [what for what, _ in told(broken)] == [
        "State test test_base::test_sudoers_are_valid_and_private"
    ]
    assert len(broken.tests) == len(found.tests)


def test_the_state_tests_of_a_host_that_nobody_knows(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHRACK_LAB", str(lab.folder))
    ((_, said),) = told(run_state_tests(Path(INVENTORY), "gpu99"))
    assert "no host gpu99 in" in said


def test_a_server_that_is_gone(ask: Callable[..., object], monkeypatch) -> None:
    def gone(session: Session) -> GpuCheck:
        session._client.close()
        return check(session)

    assert isinstance(ask(gone), Problem)
