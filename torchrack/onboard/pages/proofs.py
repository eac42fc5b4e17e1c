"""The proofs of a server on its page: what the GPU check counted, what the state tests saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torchrack.onboard.gpu_check import GpuCheck
from torchrack.onboard.pages.blocks import Block, Facts, Lines, Section, Table
from torchrack.onboard.pages.details import Details
from torchrack.onboard.pages.words import duration, number
from torchrack.onboard.state_tests import StateTests


def proof_sections(details: Details) -> Iterator[Section]:
    """Yield the sections on GPU check and state tests; none before they were made."""
    if details.gpus is not None:
        yield Section("GPU check", tuple(_gpus(details.gpus)))
    if details.state is not None:
        yield Section("State tests", (_summary(details.state),))
        if details.state.tests:
            yield Section("All state tests", (_tests(details.state),), folded=True)


def _gpus(check: GpuCheck) -> Iterator[Block]:
    built = f"built for CUDA {check.cuda}" if check.cuda else "built without CUDA"
    yield Facts(
        (
            ("GPUs on the PCI bus", number(check.on_pci)),
            ("by nvidia-smi on the host", number(check.on_host)),
            ("by nvidia-smi in a container", number(check.in_container)),
            ("by PyTorch in it", number(check.by_torch)),
            ("PyTorch", f"{check.torch}, {built}" if check.torch else "not known"),
            ("Image", check.image or "none"),
        )
    )
    if check.notes:
        yield Lines(check.notes)
    if check.steps:
        yield Table(
            ("Training step on", "Loss before", "Loss after", "Time"),
            tuple(
                (step.device, f"{step.before:.4g}", f"{step.after:.4g}", duration(step.seconds))
                for step in check.steps
            ),
        )


def _summary(state: StateTests) -> Lines:
    counts = Counter(test.outcome for test in state.tests)
    told = ", ".join(f"{counts[one]} {one}" for one in ("passed", "failed", "skipped"))
    return Lines((f"{len(state.tests)} in {duration(state.seconds)}: {told}.",))


def _tests(state: StateTests) -> Table:
    rows = tuple((test.outcome, test.name, test.message) for test in state.tests)
    return Table(("Outcome", "Test", "What it said"), rows)
