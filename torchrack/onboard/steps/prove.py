"""The proof that a deployed host is fit for work: its GPUs in a container, and the state tests."""

from __future__ import annotations

from torchrack.errors import HostError, Problem, ProblemsError
from torchrack.onboard.gpu_check import GpuCheck, check_gpus
from torchrack.onboard.hardware import Hardware, hardware
from torchrack.onboard.pages import GPUS, HARDWARE, STATE
from torchrack.onboard.state_tests import run_state_tests
from torchrack.onboard.work import Said, Work
from torchrack.remote import Session, across


def gpu(work: Work) -> Said:
    """Count the GPUs four times, and have each take a training step in a container."""
    work.shows.note(work.name, "a training step on each GPU, in a container")
    answer = across([work.host], _look)[work.name]
    if isinstance(answer, Problem):
        raise HostError(answer)
    found, checked = answer
    work.details |= {HARDWARE: found, GPUS: checked}
    if checked.problems:
        raise ProblemsError("Not all GPUs work.", checked.problems)
    return work.seen(told(checked))


def state(work: Work) -> Said:
    """Run the state tests on the host: they look, and change nothing."""

    def progress(done: int, total: int) -> None:
        work.shows.note(work.name, f"{done} of {total or '?'} state tests")

    found = run_state_tests(work.terms.inventory, work.name, progress=progress)
    work.details[STATE] = found
    if found.problems:
        raise ProblemsError("State tests failed.", found.problems)
    return work.seen(f"{found.passed} of {len(found.tests)} state tests passed")


def told(checked: GpuCheck) -> str:
    """Return in a sentence what came of the GPUs, with what is to be known of it."""
    counts = (
        f"{checked.on_pci} on the PCI bus, {checked.on_host} in nvidia-smi, "
        f"{checked.in_container} in a container, {checked.by_torch} in PyTorch"
    )
    return "; ".join([counts, *checked.notes])


def _look(session: Session) -> tuple[Hardware, GpuCheck]:
    return hardware(session), check_gpus(session, session.host.settings)
