"""What the script asks nvidia-smi about the health of the GPUs, and the answers as values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from torchrack.nvidia_smi import Remark, State, beside, remarks, state, sysfs_address
from torchrack.nvidia_smi.links import Links, links
from torchrack.nvidia_smi.table import Table, table

SLOW = {
    "clocks_event_reasons.hw_thermal_slowdown": "hardware, too hot",
    "clocks_event_reasons.hw_power_brake_slowdown": "hardware, power brake",
    "clocks_event_reasons.hw_slowdown": "hardware",
    "clocks_event_reasons.sw_thermal_slowdown": "driver, too hot",
}
"""Reasons that are no part of normal work; the power cap of the driver is."""
FIELDS: dict[str, tuple[str, ...]] = {
    "health": (
        "index",
        "pci.bus_id",
        "pstate",
        "ecc.mode.current",
        "ecc.mode.pending",
        "ecc.errors.uncorrected.volatile.total",
        "retired_pages.pending",
        "retired_pages.single_bit_ecc.count",
        "retired_pages.double_bit.count",
        "pcie.link.gen.current",
        "pcie.link.gen.max",
        "pcie.link.width.current",
        "pcie.link.width.max",
        "temperature.gpu",
        "mig.mode.current",
    ),
    "clocks": ("pci.bus_id", *SLOW),
    "fabric": ("pci.bus_id", "fabric.state", "fabric.status"),
    "rows": ("gpu_bus_id", "remapped_rows.pending", "remapped_rows.failure"),
}
"""Group to the fields that are asked for together."""
_OPTIONAL = {"mig.mode.current"}
"""Fields that only explain others."""

_T = TypeVar("_T")


@dataclass
class Values:
    """The values of one GPU, by field; what can't be read is collected, by field too."""

    by_field: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)

    def read(self, name: str, reader: Callable[[str], _T | None]) -> _T | None:
        """Return a field's value; None where the GPU has none, or where it can't be read."""
        text = self.by_field.get(name, "")
        try:
            return reader(text)
        except ValueError:
            self.unknown[name] = text
            return None


@dataclass(frozen=True)
class Answers:
    """What was answered.

    Args:
        on_pci: addresses of the GPUs on the PCI bus.
        health: address to the values of each GPU that nvidia-smi lists.
        links: NVLinks, by nvidia-smi's index.
        missing: fields that the branch does not have.
        unanswered: group to what was found in place of an answer.
        remarks: what nvidia-smi said beside its answers.
    """

    on_pci: tuple[str, ...]
    health: Mapping[str, Values]
    links: Links
    missing: tuple[str, ...]
    unanswered: Mapping[str, str]
    remarks: tuple[Remark, ...]


def read(lines: Sequence[str]) -> Answers:
    """Read the script's lines.

    Args:
        lines: "pci ADDRESS"; a group's name and a line of nvidia-smi's answer; "failed GROUP
            STATUS" where it ended with another exit status than 0.

    Raises:
        ValueError: the lines are no such answers, or say nothing of the GPUs' health.
    """
    on_pci: list[str] = []
    statuses: dict[str, int] = {}
    said: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        group, _, rest = line.partition(" ")
        if group == "pci":
            on_pci.append(rest)
        elif group == "failed":
            name, status = rest.split()
            statuses[name] = int(status)
        elif group in FIELDS or group == "links":
            said[group].append(rest)
        else:
            raise ValueError(f"{line!r}")
    return _answers(tuple(on_pci), said, statuses)


def _answers(
    on_pci: tuple[str, ...], said: Mapping[str, list[str]], statuses: Mapping[str, int]
) -> Answers:
    found, unanswered = _tables(said, statuses)
    health = {
        sysfs_address(row["pci.bus_id"]): Values(dict(row))
        for row in (found["health"].rows if "health" in found else ())
    }
    for group in found.keys() - {"health"}:
        bus = FIELDS[group][0]
        for row in found[group].rows:
            address = sysfs_address(row[bus])
            if address in health:
                health[address].by_field.update(row)
    linked = links(said.get("links", ()))
    told = [one for group in found for one in beside(found[group], statuses.get(group, 0))]
    answered = linked.up or linked.down or linked.unknown
    if answered or "links" not in statuses:
        told += remarks(linked.remarks, statuses.get("links", 0))
    elif _failed("links", statuses):
        unanswered["links"] = _ended(statuses["links"], linked.remarks)
    return Answers(
        on_pci,
        health,
        linked,
        tuple(
            name
            for group, one in found.items()
            for name in FIELDS[group]
            if name not in one.fields and name not in _OPTIONAL
        ),
        unanswered,
        tuple(dict.fromkeys(told)),
    )


def _tables(
    said: Mapping[str, list[str]], statuses: Mapping[str, int]
) -> tuple[dict[str, Table], dict[str, str]]:
    """Return the groups that have a table, and what was found in place of the others'."""
    found: dict[str, Table] = {}
    unanswered: dict[str, str] = {}
    for group, fields in FIELDS.items():
        lines, status = said.get(group, []), statuses.get(group, 0)
        if not lines and not status:
            continue
        try:
            one = table(lines)
            one.require(*(name for name in fields if name in ("index", "pci.bus_id", "gpu_bus_id")))
            found[group] = one
        except ValueError as error:
            if group == "health" and not status:
                raise
            if _failed(group, statuses):
                unanswered[group] = _ended(status, lines)
            elif not status:
                unanswered[group] = str(error)
    return found, unanswered


def _failed(group: str, statuses: Mapping[str, int]) -> bool:
    """Whether a question failed; one that these GPUs have no answer to has not."""
    status = statuses.get(group, 0)
    return status != 0 and state(status, "") is not State.NOT_SUPPORTED


def _ended(status: int, lines: Sequence[str]) -> str:
    said = " ".join(" ".join(lines).split())
    return f"nvidia-smi ended with {status}" + (f": {said[:200]}" if said else "")
