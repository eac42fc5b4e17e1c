"""What the counts of the GPU check mean: pure decisions, each fault told once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torchrack.errors import Problem
from torchrack.nvidia_smi import State
from torchrack.onboard.gpu_check.image import Chosen
from torchrack.onboard.gpu_check.model import GpuCheck, TrainingStep
from torchrack.onboard.gpu_check.read import Counted, InContainer, Smi
from torchrack.workloads.workload import by_digest

_POWER = "power the server off and on; a GPU that stays away has a Xid in dmesg: send it back"


def judge(
    host: str, before: Counted, chosen: Chosen | None, inside: InContainer | None, *, seconds: float
) -> GpuCheck:
    """Return the counts and what is wrong with them.

    Each count is held against the one before it, so that a GPU that is lost on the host is not
    told again for the container and for PyTorch.

    Args:
        host: the host's name.
        before: what the host counted.
        chosen: the image; None without one.
        inside: what the container said; None: none was started.
        seconds: how long it could take.
    """
    case = _Case(host, before, chosen, inside, seconds)
    torch = inside.torch if inside and inside.torch else {}
    smi = inside.smi if inside else None
    return GpuCheck(
        image=by_digest(chosen.reference) if chosen else "",
        on_pci=len(before.on_pci),
        on_host=_count(before.smi),
        in_container=_count(smi) if smi else None,
        by_torch=torch.get("count"),
        torch=torch.get("torch"),
        cuda=torch.get("cuda"),
        steps=tuple(
            TrainingStep(one["device"], one["before"], one["after"], one["seconds"])
            for one in torch.get("steps", ())
            if "error" not in one
        ),
        notes=tuple(case.notes()),
        problems=tuple(case.problems()),
    )


@dataclass(frozen=True)
class _Case:
    host: str
    before: Counted
    chosen: Chosen | None
    inside: InContainer | None
    seconds: float

    def notes(self) -> Iterator[str]:
        """Yield what is no fault, and has to be known to read the counts."""
        inside = self.inside.smi.remarks if self.inside and self.inside.smi else ()
        for text in dict.fromkeys((*self.before.smi.remarks, *inside)):
            yield f"nvidia-smi says: {text}"
        torch = self.inside.torch if self.inside else None
        if torch and not torch["cuda"] and self._declares_no_cuda():
            yield (
                f"PyTorch {torch['torch']} is built without CUDA, as its image declares: it can't "
                "use the GPUs, and the training step ran on the processor. In the container they "
                "were counted by nvidia-smi alone."
            )
        if self.inside and self.inside.mig:
            yield (
                f"The GPUs are cut into {self.inside.mig} MIG instance(s), of which a process "
                "sees one: PyTorch's count is not held against the others."
            )

    def problems(self) -> Iterator[Problem]:
        """Yield what is wrong, from the hardware upwards."""
        if not self.before.on_pci:
            yield self._problem(
                "GPUs on the PCI bus",
                "none",
                "at least one NVIDIA GPU",
                "see lspci -d 10de: on the host; reseat the card, or pass it through to this VM",
            )
            return
        yield from self._on_host()
        yield from self._image()
        if self.inside is not None:
            yield from self._container(self.inside)

    def _on_host(self) -> Iterator[Problem]:
        yield from self._smi(
            "nvidia-smi on the host",
            self.before.smi,
            self.before.on_pci,
            "as on the PCI bus",
            "see dmesg for NVRM, and run torchrack drift for this host",
        )

    def _image(self) -> Iterator[Problem]:
        if self.chosen is None:
            yield self._problem(
                "Image for the GPU check",
                "no image with PyTorch in images.catalog",
                "one, pinned by digest or by the lock",
                "add one to images.catalog, lock, and run this again",
            )
        elif self.chosen.facts is None:
            yield self._problem(
                f"Image {self.chosen.name}",
                f"not on the host, or Docker does not answer: {self.chosen.reference}",
                "the image that the deploy pulled",
                "run torchrack deploy for this host",
            )

    def _container(self, inside: InContainer) -> Iterator[Problem]:
        what = f"Container of {self._name()} with all GPUs"
        if inside.late:
            yield self._problem(
                what,
                f"no end after {self.seconds} s: {inside.said or 'nothing was said'}",
                "nvidia-smi and a training step within that time",
                "see dmesg for Xid messages; a GPU that hangs needs a reset or a reboot",
            )
        elif inside.smi is None:
            yield self._problem(
                what,
                f"the container ended with {inside.status}: {inside.said or 'without a word'}",
                "a container that gets nvidia.com/gpu=all by CDI",
                "see nvidia-ctk cdi list and systemctl status nvidia-cdi-refresh on the host",
            )
        if inside.smi is None:
            return
        expected = self.before.smi.usable
        yield from self._smi(
            "nvidia-smi in the container",
            inside.smi,
            expected,
            "as on the host",
            "systemctl restart nvidia-cdi-refresh on the host writes the CDI spec anew",
        )
        if not inside.late:
            answered = inside.smi if inside.smi.state is State.OK else self.before.smi
            yield from self._torch(inside, len(answered.usable))

    def _torch(self, inside: InContainer, expected: int) -> Iterator[Problem]:
        what, torch = f"PyTorch in {self._name()}", inside.torch
        if torch is None:
            no_python = inside.torch_status == 127
            ended = f"its program ended with {inside.torch_status}: {inside.said}"
            yield self._problem(
                what,
                "no Python in the image" if no_python else ended,
                "PyTorch that can be imported",
                "name an image with PyTorch in images.catalog, and mend this one if it has it",
            )
            return
        if not torch["cuda"]:
            if not self._declares_no_cuda():
                yield self._no_cuda(torch)
        elif torch["error"] or not self._seen(torch["count"], expected, inside):
            yield self._problem(
                f"GPUs in {what}",
                f"{torch['count']} {torch['error']}".strip(),
                f"{expected}, as by nvidia-smi in the container",
                "compare the driver with the image's CUDA version: torchrack explain",
            )
        yield from self._steps(torch)

    @staticmethod
    def _seen(count: int, expected: int, inside: InContainer) -> bool:
        return count > 0 if inside.mig else count == expected

    def _no_cuda(self, torch: Mapping[str, Any]) -> Problem:
        cuda = self.chosen.facts.cuda if self.chosen and self.chosen.facts else None
        needed = f"CUDA {cuda}, as the image states" if cuda else "a build with CUDA"
        return self._problem(
            f"PyTorch in {self._name()}",
            f"{torch['torch']}, built without CUDA",
            needed,
            "build the image with PyTorch's CUDA wheels; one that is meant to be without has the "
            "label io.torchrack.cuda=none",
        )

    def _steps(self, torch: Mapping[str, Any]) -> Iterator[Problem]:
        for step in torch["steps"]:
            what = f"Training step on {step['device']}"
            fix = "see dmesg for Xid messages of this GPU, and nvidia-smi -q for its errors"
            if "error" in step:
                yield self._problem(what, step["error"], "a loss that falls", fix)
            elif not step["after"] < step["before"]:
                found = f"a loss of {step['before']:.4g} before and {step['after']:.4g} after"
                yield self._problem(what, found, "a loss that falls", fix)

    def _smi(
        self, what: str, smi: Smi, expected: tuple[str, ...], like: str, fix: str
    ) -> Iterator[Problem]:
        """Hold what nvidia-smi says against the GPUs that it should find."""
        needed = f"{len(expected)} GPU(s), {like}"
        if smi.state is not State.OK:
            yield self._problem(what, f"it {smi.state.value}: {smi.said}", needed, fix)
            return
        missing = [one for one in expected if one not in smi.usable and one not in smi.lost]
        lost = [one for one in smi.lost if one in expected]
        told = [f"{one} is not there" for one in missing] + [f"{one} is lost" for one in lost]
        if told:
            found = f"{len(smi.usable)}: {', '.join(told)}"
            yield self._problem(f"GPUs by {what}", found, needed, _POWER if lost else fix)

    def _declares_no_cuda(self) -> bool:
        facts = self.chosen.facts if self.chosen else None
        return facts is not None and facts.cuda == "none"

    def _name(self) -> str:
        return f"image {self.chosen.name}" if self.chosen else "the image"

    def _problem(self, what: str, found: str, needed: str, fix: str) -> Problem:
        return Problem(self.host, what, found, needed, fix)


def _count(smi: Smi) -> int | None:
    return len(smi.usable) if smi.state is State.OK else None
