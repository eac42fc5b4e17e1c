"""The health of the GPUs, as nvidia-smi tells it: ECC, row remaps, PCIe, throttling, NVLink.

What NVIDIA says to do: docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt (row remaps),
docs.nvidia.com/deploy/dynamic-page-retirement (60 retired pages: send it back).
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from torchrack.drift.model import Finding, Severity
from torchrack.drift.probes.subject import Subject

MOST_RETIRED = 60
"""Retired pages from which on NVIDIA takes a GPU back."""

_NOT_THERE = re.compile(r"\[?(N/A|Not Supported|Unknown)\]?|", re.IGNORECASE)
_LOST = re.compile(r"\[?(GPU is lost|Unknown Error|GPU requires reset|Not Found)\]?")
_DRAIN = "drain the server and reboot it"
_SLOW = {
    "clocks_event_reasons.hw_thermal_slowdown": "hardware, too hot",
    "clocks_event_reasons.hw_power_brake_slowdown": "hardware, power brake",
    "clocks_event_reasons.hw_slowdown": "hardware",
    "clocks_event_reasons.sw_thermal_slowdown": "driver, too hot",
}
"""Reasons that are no part of normal work; the power cap of the driver is."""
_GROUPS = {
    "clocks": "throttling",
    "fabric": "the NVLink fabric",
    "rows": "row remaps",
    "links": "NVLinks",
}


@dataclass
class _Answers:
    """The script's lines: GPUs on PCI, and nvidia-smi's answers by PCI address."""

    on_pci: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    health: dict[str, dict[str, str]] = field(default_factory=dict)
    clocks: dict[str, dict[str, str]] = field(default_factory=dict)
    fabric: dict[str, dict[str, str]] = field(default_factory=dict)
    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    links: dict[int, list[tuple[str, bool]]] = field(default_factory=dict)


@dataclass(frozen=True)
class _One:
    """A GPU whose findings are made."""

    subject: Subject
    address: str

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


def judge(lines: list[str], subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each thing that is not well with a GPU.

    Args:
        lines: PCI addresses, and nvidia-smi's answers, each line with the name of its group.
        subject: the host.

    Raises:
        ValueError: the lines are no such answers.
    """
    answers = _read(lines)
    for group, status in sorted(answers.failed.items()):
        found = f"nvidia-smi ended with {status}"
        yield subject.unknown(f"gpus-{group}", f"{_GROUPS[group]} of the GPUs", found)
    inactive = _inactive_links(answers)
    for address in dict.fromkeys((*answers.on_pci, *answers.health)):
        gpu = _One(subject, address)
        health = answers.health.get(address)
        gone = _gone(gpu, health)
        if gone or health is None:
            yield from gone
            continue
        yield from _memory(gpu, health, answers.rows.get(address, {}))
        yield from _pcie(gpu, health)
        yield from _clocks(gpu, health, answers.clocks.get(address, {}))
        yield from _links_of(gpu, answers.fabric.get(address, {}), inactive.get(address, []))


def _gone(gpu: _One, health: dict[str, str] | None) -> list[Finding]:
    """Return the finding of a GPU that does not answer; nothing else can be said of it."""
    if health is None:
        said = ("in nvidia-smi as on the PCI bus", "not in nvidia-smi")
    else:
        lost = [value.strip("[]") for value in health.values() if _LOST.fullmatch(value)]
        if not lost:
            return []
        said = ("values of all sensors", f"{lost[0]} ({len(lost)} values)")
    fix = f"{_DRAIN}; if it is lost again, look for its Xid message and send it back"
    return [
        gpu.finding("lost", "Answers", wanted=said[0], found=said[1], fix=fix, severity="outage")
    ]


def _memory(gpu: _One, health: dict[str, str], rows: dict[str, str]) -> Iterator[Finding]:
    errors = _number(health["ecc.errors.uncorrected.volatile.total"])
    if errors:
        yield gpu.finding(
            "ecc",
            "Uncorrectable memory errors since the last reset",
            wanted="none",
            found=str(errors),
            fix="drain the server, reset the GPU or reboot; on recurrence send it back",
            severity="outage",
        )
    now, then = health["ecc.mode.current"], health["ecc.mode.pending"]
    if now != then:
        yield gpu.finding(
            "ecc-mode", "ECC mode", wanted=then, found=now, fix=_DRAIN, severity="compat"
        )
    if health["retired_pages.pending"] == "Yes" or _number(rows.get("remapped_rows.pending", "")):
        yield gpu.finding(
            "remap-pending",
            "Memory to be taken out of use",
            wanted="none",
            found="pending until the next reset",
            fix=_DRAIN,
            severity="capacity",
        )
    counts = ("single_bit_ecc", "double_bit")
    retired = sum(_number(health[f"retired_pages.{one}.count"]) for one in counts)
    if _number(rows.get("remapped_rows.failure", "")) or retired >= MOST_RETIRED:
        yield gpu.finding(
            "remap-failed",
            "Spare memory",
            wanted="enough to replace what fails",
            found=f"{retired} pages retired" if retired else "a remap that failed",
            fix="run NVIDIA's field diagnostics, and send the GPU back",
            severity="outage",
        )


def _pcie(gpu: _One, health: dict[str, str]) -> Iterator[Finding]:
    reseat = "reseat the card or its riser, and look at the slot's settings in the firmware"
    width, most = (_number(health[f"pcie.link.width.{one}"]) for one in ("current", "max"))
    if width < most:
        yield gpu.finding(
            "pcie-width",
            "PCIe width",
            wanted=f"x{most}",
            found=f"x{width}",
            fix=reseat,
            severity="capacity",
        )
    # An idle GPU slows its link down to save power; at work it has to be fast.
    speed, fastest = (_number(health[f"pcie.link.gen.{one}"]) for one in ("current", "max"))
    if speed < fastest and health["pstate"] == "P0":
        yield gpu.finding(
            "pcie-speed",
            "PCIe generation at work",
            wanted=str(fastest),
            found=str(speed),
            fix=reseat,
            severity="capacity",
        )


def _clocks(gpu: _One, health: dict[str, str], clocks: dict[str, str]) -> Iterator[Finding]:
    reasons = [text for name, text in _SLOW.items() if clocks.get(name) == "Active"]
    if reasons:
        yield gpu.finding(
            "slowdown",
            "Clocks",
            wanted="not slowed down",
            found=f"slowed down by the {reasons[0]} ({health['temperature.gpu']} degrees C)",
            fix="see to cooling and power: fans, dust, inlet temperature, cables",
            severity="capacity",
        )


def _links_of(gpu: _One, fabric: dict[str, str], inactive: list[str]) -> Iterator[Finding]:
    state = fabric.get("fabric.state", "")
    if not _NOT_THERE.fullmatch(state) and state != "Completed":
        yield gpu.finding(
            "fabric",
            "Registration with the NVLink fabric",
            wanted="Completed",
            found=state,
            fix="see systemctl status nvidia-fabricmanager; its version has to be the driver's",
            severity="outage",
        )
    if inactive:
        yield gpu.finding(
            "nvlink",
            "NVLinks",
            wanted="all active",
            found=f"down: {', '.join(inactive)}",
            fix="check the bridge or the baseboard and the Xid messages, then reset the GPU",
            severity="capacity",
        )


def _inactive_links(answers: _Answers) -> dict[str, list[str]]:
    """Return the links that are down by address; a host of which none is up has no bridges."""
    if not any(up for links in answers.links.values() for _, up in links):
        return {}
    addresses = {int(one["index"]): address for address, one in answers.health.items()}
    return {
        addresses[index]: [name for name, up in links if not up]
        for index, links in answers.links.items()
        if index in addresses
    }


def _read(lines: Sequence[str]) -> _Answers:
    answers = _Answers()
    tables: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        group, _, rest = line.partition(" ")
        if group == "pci":
            answers.on_pci.append(rest)
        elif group == "failed":
            name, status = rest.split()
            answers.failed[name] = status
        elif group in ("health", "clocks", "fabric", "rows", "links"):
            tables[group].append(rest)
        else:
            raise ValueError(f"{line!r}")
    for group in ("health", "clocks", "fabric", "rows"):
        setattr(answers, group, _by_address(tables[group]))
    answers.links = _links(tables["links"])
    return answers


def _by_address(lines: Sequence[str]) -> dict[str, dict[str, str]]:
    rows = csv.DictReader(lines, skipinitialspace=True)
    found = {}
    for row in rows:
        if None in row or None in row.values():
            raise ValueError(f"{len(row)} values in a row of nvidia-smi")
        plain = {name.split(" [")[0]: value for name, value in row.items()}
        bus = plain.get("pci.bus_id") or plain.get("gpu_bus_id")
        if not bus:
            raise ValueError("a row of nvidia-smi without a PCI address")
        found[bus[-12:].lower()] = plain
    return found


def _links(lines: Sequence[str]) -> dict[int, list[tuple[str, bool]]]:
    found: dict[int, list[tuple[str, bool]]] = {}
    index = -1
    for line in lines:
        if gpu := re.match(r"GPU (\d+):", line):
            index = int(gpu[1])
            found[index] = []
        elif link := re.match(r"\s+Link (\d+): (.*)", line):
            found[index].append((link[1], "inactive" not in link[2].lower()))
    return found


def _number(text: str) -> int:
    return 0 if _NOT_THERE.fullmatch(text) else int(text)
