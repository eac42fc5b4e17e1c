"""The health of the GPUs, as nvidia-smi shows it: ECC, row remaps, PCIe, throttling, NVLink.

What NVIDIA says to do: docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt (row remaps),
docs.nvidia.com/deploy/dynamic-page-retirement (60 retired pages: send it back).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from torchrack.drift.model import Finding, Severity
from torchrack.drift.probes.gpu_answers import SLOW, Answers, Values, read
from torchrack.drift.probes.gpu_remarks import remark_findings
from torchrack.drift.probes.subject import Subject
from torchrack.nvidia_smi import Kind
from torchrack.nvidia_smi.values import flag, lost, number, unreadable, word

MOST_RETIRED = 60
"""Retired pages from which on NVIDIA takes a GPU back."""

_DRAIN = "drain the server and reboot it"
_GROUPS = {
    "health": "health",
    "clocks": "throttling",
    "fabric": "the NVLink fabric",
    "rows": "row remaps",
    "links": "NVLinks",
}
_VITAL = ("temperature.gpu", "pstate", "ecc.errors.uncorrected.volatile.total")
"""Values that come from the GPU at each question: one that fails to give them is gone. Of others it
may lack one, as some boards answer one question with an unknown error all their life."""
_IDLE = {f"P{n}" for n in range(8, 16)}
"""Performance states of a GPU without work, which may have narrowed its link to save power."""


@dataclass(frozen=True)
class _One:
    """A GPU whose findings are made."""

    subject: Subject
    address: str
    values: Values

    def finding(
        self, aspect: str, what: str, *, wanted: str, found: str, fix: str, severity: Severity
    ) -> Finding:
        """Make a finding of this GPU."""
        return self.subject.finding(
            f"gpu:{self.address}.{aspect}",
            f"{what} of the GPU {self.address}",
            expected=wanted,
            actual=found,
            fix=fix,
            kind="hardware",
            severity=severity,
        )

    def unknown(self) -> Iterator[Finding]:
        """Yield a finding for each value that could not be read."""
        for field, text in self.values.unknown.items():
            what = f"{field} of the GPU {self.address}"
            found = f"nvidia-smi says {text!r}"
            yield self.subject.unknown(f"gpu:{self.address}.{field}", what, found)

    def number(self, field: str) -> int | None:
        """Return a count."""
        return self.values.read(field, number)

    def flag(self, field: str) -> bool | None:
        """Return a yes or no."""
        return self.values.read(field, flag)


def judge(lines: list[str], subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each thing that is not well with a GPU.

    A value that can't be read is unknown by itself; the others are judged all the same.

    Args:
        lines: PCI addresses, and nvidia-smi's answers, each line with the name of its group.
        subject: the host.

    Raises:
        ValueError: the lines are no such answers.
    """
    answers = read(lines)
    for group, found in sorted(answers.unanswered.items()):
        yield subject.unknown(f"gpus-{group}", f"{_GROUPS[group]} of the GPUs", found)
    for field in answers.missing:
        found = "this nvidia-smi does not know the field"
        yield subject.unknown(f"gpus-{field}", f"{field} of the GPUs", found)
    gone = set()
    inactive = _inactive_links(answers)
    for address in dict.fromkeys((*answers.on_pci, *answers.health)):
        if said := _gone(address, answers):
            gone.add(address)
            yield _One(subject, address, Values()).finding(
                "lost",
                "Answers",
                wanted=said[0],
                found=said[1],
                fix=f"{_DRAIN}; if it is lost again, look for its Xid message and send it back",
                severity="outage",
            )
            continue
        gpu = _One(subject, address, answers.health[address])
        yield from _memory(gpu)
        yield from _pcie(gpu)
        yield from _clocks(gpu)
        yield from _fabric(gpu)
        yield from _links(gpu, inactive.get(address, []))
        yield from gpu.unknown()
    yield from remark_findings(answers.remarks, subject, gone)


def _gone(address: str, answers: Answers) -> tuple[str, str] | None:
    """Return what a GPU that does not answer should say, and what it says."""
    health = answers.health.get(address)
    if health is None:
        said = [
            one.text
            for one in answers.remarks
            if one.kind is Kind.LOST and one.address in (address, None)
        ]
        found = "not in nvidia-smi" + (f": {'; '.join(said)}" if said else "")
        return ("in nvidia-smi as on the PCI bus", found[:300])
    by_field = health.by_field
    bad = [text for text in by_field.values() if unreadable(text)]
    vital = [by_field[field] for field in _VITAL if unreadable(by_field.get(field, ""))]
    if vital or any(map(lost, by_field.values())):
        first = next(filter(lost, by_field.values()), bad[0])
        return ("values of all sensors", f"{first.strip('[]')} ({len(bad)} values)")
    return None


def _memory(gpu: _One) -> Iterator[Finding]:
    errors = gpu.number("ecc.errors.uncorrected.volatile.total")
    if errors:
        yield gpu.finding(
            "ecc",
            "Uncorrectable memory errors since the last reset",
            wanted="none",
            found=str(errors),
            fix="drain the server, reset the GPU or reboot; on recurrence send it back",
            severity="outage",
        )
    now, then = gpu.flag("ecc.mode.current"), gpu.flag("ecc.mode.pending")
    if None not in (now, then) and now != then:
        yield gpu.finding(
            "ecc-mode",
            "ECC mode",
            wanted="Enabled" if then else "Disabled",
            found="Enabled" if now else "Disabled",
            fix=_DRAIN,
            severity="compat",
        )
    if any([gpu.flag("retired_pages.pending"), gpu.flag("remapped_rows.pending")]):
        yield gpu.finding(
            "remap-pending",
            "Memory to be taken out of use",
            wanted="none",
            found="pending until the next reset",
            fix=_DRAIN,
            severity="capacity",
        )
    counts = ("single_bit_ecc", "double_bit")
    retired = sum(gpu.number(f"retired_pages.{one}.count") or 0 for one in counts)
    if gpu.flag("remapped_rows.failure") or retired >= MOST_RETIRED:
        yield gpu.finding(
            "remap-failed",
            "Spare memory",
            wanted="enough to replace what fails",
            found=f"{retired} pages retired" if retired else "a remap that failed",
            fix="run NVIDIA's field diagnostics, and send the GPU back",
            severity="outage",
        )


def _pcie(gpu: _One) -> Iterator[Finding]:
    reseat = "reseat the card or its riser, and look at the slot's settings in the firmware"
    pstate = gpu.values.read("pstate", _pstate)
    width, most = (gpu.number(f"pcie.link.width.{one}") for one in ("current", "max"))
    if width is not None and most is not None and width < most and pstate not in _IDLE:
        yield gpu.finding(
            "pcie-width",
            "PCIe width",
            wanted=f"x{most}",
            found=f"x{width}",
            fix=reseat,
            severity="capacity",
        )
    # An idle GPU slows its link down to save power; at work it has to be fast.
    speed, fastest = (gpu.number(f"pcie.link.gen.{one}") for one in ("current", "max"))
    if speed is not None and fastest is not None and speed < fastest and pstate == "P0":
        yield gpu.finding(
            "pcie-speed",
            "PCIe generation at work",
            wanted=str(fastest),
            found=str(speed),
            fix=reseat,
            severity="capacity",
        )


def _clocks(gpu: _One) -> Iterator[Finding]:
    reasons = [text for name, text in SLOW.items() if gpu.flag(name)]
    temperature = gpu.number("temperature.gpu")
    if reasons:
        hot = f" ({temperature} degrees C)" if temperature is not None else ""
        yield gpu.finding(
            "slowdown",
            "Clocks",
            wanted="not slowed down",
            found=f"slowed down by the {reasons[0]}{hot}",
            fix="see to cooling and power: fans, dust, inlet temperature, cables",
            severity="capacity",
        )


def _fabric(gpu: _One) -> Iterator[Finding]:
    """What NVML says of the registration: its status counts once the state is "completed"
    (nvmlGpuFabricInfo_t)."""
    state = gpu.values.read("fabric.state", _state)
    status = gpu.values.read("fabric.status", word) if state == "Completed" else None
    if state in (None, "Completed") and (status or "Success").lower() == "success":
        return
    yield gpu.finding(
        "fabric",
        "Registration with the NVLink fabric",
        wanted="Completed, Success",
        found=f"{state}, {status}" if status else str(state),
        fix="see systemctl status nvidia-fabricmanager; its version has to be the driver's",
        severity="outage",
    )


def _pstate(text: str) -> str | None:
    """Return a performance state."""
    found = word(text)
    if found is not None and not re.fullmatch(r"P\d+", found):
        raise ValueError(text)
    return found


def _state(text: str) -> str | None:
    """Return one of NVML's states of a registration; None where there is no fabric."""
    known = {one.lower(): one for one in ("Not Started", "In Progress", "Completed")}
    found = word(text)
    if found is not None and found.lower() not in known:
        raise ValueError(text)
    return known[found.lower()] if found else None


def _links(gpu: _One, inactive: list[str]) -> Iterator[Finding]:
    if inactive and not gpu.flag("mig.mode.current"):  # MIG mode takes the links down
        yield gpu.finding(
            "nvlink",
            "NVLinks",
            wanted="all active",
            found=f"down: {', '.join(inactive)}",
            fix="check the bridge or the baseboard and the Xid messages, then reset the GPU",
            severity="capacity",
        )


def _inactive_links(answers: Answers) -> dict[str, list[str]]:
    """Return the links that are down by address; a host of which none is up has no bridges."""
    addresses = {one.by_field["index"]: address for address, one in answers.health.items()}
    for index, links in answers.links.unknown.items():
        if (address := addresses.get(str(index))) is not None:
            named = {f"nvlink-{link}": text for link, text in links.items()}
            answers.health[address].unknown.update(named)
    if not answers.links.up:
        return {}
    return {
        addresses[str(index)]: names
        for index, names in answers.links.down.items()
        if str(index) in addresses
    }
