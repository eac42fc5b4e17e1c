"""What nvidia-smi says beside its answer, as findings of the GPUs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from torchrack.drift.model import Finding, Severity
from torchrack.drift.probes.subject import Subject
from torchrack.nvidia_smi import Kind, Remark


@dataclass(frozen=True)
class _Told:
    """How a kind of remark reads as a finding."""

    aspect: str
    what: str
    wanted: str
    fix: str
    severity: Severity


_TOLD = {
    Kind.INFOROM: _Told(
        "inforom",
        "infoROM",
        "intact",
        "the GPU works on, but it no longer remembers which memory is bad: have it exchanged",
        "capacity",
    ),
    Kind.POWER: _Told(
        "power",
        "External power",
        "all cables attached",
        "power the server off, and seat the card's power cables",
        "outage",
    ),
    Kind.INTERRUPTS: _Told(
        "interrupts",
        "Interrupts",
        "all of them arrive",
        "see dmesg for NVRM; update the firmware of the board, and try the card in another slot",
        "outage",
    ),
    Kind.LOST: _Told(
        "lost",
        "Answers",
        "an answer to each question",
        "drain the server and reboot it; if it is lost again, look for its Xid message and send "
        "it back",
        "outage",
    ),
    Kind.PERSISTENCE: _Told(
        "persistence-remark",
        "Remark about persistence mode",
        "none",
        "see nvidia-smi -q -d PERFORMANCE and systemctl status nvidia-persistenced",
        "cosmetic",
    ),
    Kind.OTHER: _Told(
        "remark",
        "What nvidia-smi says beside its answer",
        "nothing",
        "look the words up, and run nvidia-smi -q on the host",
        "compat",
    ),
}


def remark_findings(
    remarks: Sequence[Remark], subject: Subject, lost: Collection[str]
) -> Iterator[Finding]:
    """Yield a finding for each kind of remark about each GPU.

    Args:
        remarks: what nvidia-smi said.
        subject: the host.
        lost: addresses of GPUs that are reported as lost already, in these words.
    """
    words: dict[tuple[Kind, str | None], list[str]] = defaultdict(list)
    for one in remarks:
        words[one.kind, one.address].append(one.text)
    named = {kind for kind, address in words if address is not None}
    for (kind, address), texts in words.items():
        # The further lines of a message, and the exit status, say the same without an address.
        if address is None and kind in named and kind is not Kind.OTHER:
            continue
        if kind is Kind.LOST and (address in lost or (address is None and lost)):
            continue
        told = _TOLD[kind]
        yield subject.finding(
            f"gpu:{address}.{told.aspect}" if address else f"gpus.{told.aspect}",
            f"{told.what} of the GPU {address}" if address else f"{told.what} of a GPU",
            expected=told.wanted,
            actual="; ".join(texts)[:300],
            fix=told.fix,
            kind="hardware",
            severity=told.severity,
        )
