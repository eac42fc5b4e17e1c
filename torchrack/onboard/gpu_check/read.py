"""What the scripts of the GPU check printed, as values."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torchrack import nvidia_smi
from torchrack.images.facts import ImageFacts, image_facts
from torchrack.nvidia_smi import State
from torchrack.sections import sections, with_status

_KILLED = (124, 137)
"""Exit statuses of timeout(1)."""
_PROGRAM = {"torch", "cuda", "count", "error", "steps"}
"""What files/onboard/gpu_train.py tells."""
_HUNG = "Timeout ("
"""What Python's faulthandler writes above the stack of a program that took too long."""


@dataclass(frozen=True)
class Smi:
    """What nvidia-smi said.

    Args:
        state: whether it answered.
        said: its own words where it did not.
        usable: PCI addresses of the GPUs that answer.
        lost: PCI addresses of those that it lists and can't reach.
        remarks: what it says beside its answer.
    """

    state: State
    said: str = ""
    usable: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counted:
    """The host's own counts, and its images.

    Args:
        on_pci: PCI addresses of its NVIDIA GPUs.
        smi: what nvidia-smi said.
        images: name in the catalog to what the image says of itself; None: not on the host.
    """

    on_pci: tuple[str, ...]
    smi: Smi
    images: Mapping[str, ImageFacts | None]


@dataclass(frozen=True)
class InContainer:
    """What a container with the GPUs said.

    Args:
        status: exit status of docker run.
        late: whether it was ended for taking too long.
        smi: what nvidia-smi said in it; None: it did not come to that.
        mig: how many MIG instances nvidia-smi lists.
        torch: what the program printed; None: it did not come to its end.
        torch_status: its exit status; 127 without Python.
        said: the lines of the errors that say most.
    """

    status: int
    late: bool = False
    smi: Smi | None = None
    mig: int = 0
    torch: Mapping[str, Any] | None = None
    torch_status: int | None = None
    said: str = ""


def counted(lines: Iterable[str]) -> Counted:
    """Return what files/onboard/gpu_count.sh printed."""
    parts = defaultdict(list, sections(lines))
    rows = [line.partition("\t") for line in parts["images"]]
    return Counted(
        on_pci=tuple(parts["pci"]),
        smi=_smi(parts["smi"]),
        images={name: _facts(config) for name, _, config in rows},
    )


def in_container(out: Iterable[str], err: Sequence[str]) -> InContainer:
    """Return what files/onboard/gpu_container.sh printed.

    Args:
        out: its standard output.
        err: its standard error, that of docker and of the program.
    """
    parts = defaultdict(list, sections(out))
    ended = [name.removeprefix("ended ") for name in parts if name.startswith("ended ")]
    torch_status, torch = with_status(parts["torch"])
    mig = parts["mig"]
    status = int(ended[0]) if ended else 1
    hung = next((n for n, line in enumerate(err) if line.startswith(_HUNG)), None)
    return InContainer(
        status=status,
        late=status in _KILLED or hung is not None,
        smi=_smi(parts["smi"]) if parts["smi"] else None,
        mig=int(mig[0]) if mig and mig[0].isdigit() else 0,
        torch=_program(torch),
        torch_status=torch_status,
        said=_words(err[-4:] if hung is None else err[hung : hung + 5]),
    )


def _words(lines: Iterable[str]) -> str:
    told = (" ".join(line.split()) for line in lines if not line.startswith("See 'docker"))
    return " ".join(line for line in told if line)


def _smi(lines: Sequence[str]) -> Smi:
    status, said = with_status(lines)
    if status is None:
        return Smi(State.UNKNOWN, "its answer is cut off")
    try:
        answer = nvidia_smi.answer(status, "\n".join(said))
    except ValueError as error:
        return Smi(State.UNKNOWN, str(error))
    return Smi(
        answer.state,
        answer.message,
        usable=tuple(gpu.address for gpu in answer.gpus if not gpu.lost),
        lost=tuple(gpu.address for gpu in answer.gpus if gpu.lost),
        remarks=tuple(remark.text for remark in answer.remarks),
    )


def _facts(config: str) -> ImageFacts | None:
    """Return what an image says of itself, by what ``docker image inspect`` prints of it."""
    try:
        loaded = json.loads(config)
    except ValueError:
        return None
    return image_facts({"config": loaded}, digest="") if isinstance(loaded, dict) else None


def _program(lines: Sequence[str]) -> Mapping[str, Any] | None:
    """Return what the program printed: libraries print what they like before and after it."""
    for line in reversed(lines):
        try:
            loaded = json.loads(line)
        except ValueError:
            continue
        if isinstance(loaded, dict) and loaded.keys() >= _PROGRAM:
            return loaded
    return None
