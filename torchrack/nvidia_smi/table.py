"""nvidia-smi's csv as a table, and the lines around it that belong to no row.

nvidia-smi prints warnings on standard output, before, between and after the rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torchrack.nvidia_smi.values import CUT_OFF

_BUS_ID = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", re.IGNORECASE)
_IDENTITIES = {
    "pci.bus_id": _BUS_ID,
    "gpu_bus_id": _BUS_ID,
    "pid": re.compile(r"\d+"),
    "index": re.compile(r"\d+"),
    "uuid": re.compile(r"GPU-[0-9a-f-]+", re.IGNORECASE),
    "gpu_uuid": re.compile(r"(GPU|MIG)-[0-9a-f/-]+", re.IGNORECASE),
}
"""Fields that name what a row is about, the surest first, and their form. Each of our questions
asks for one; a line that has a value of this form in its place is a row."""


@dataclass(frozen=True)
class Table:
    """An answer in csv.

    Args:
        fields: names of the columns, without units.
        rows: values by field; a row that ended early has CUT_OFF for the others.
        remarks: lines that are no row.
    """

    fields: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    remarks: tuple[str, ...]

    def require(self, *fields: str) -> None:
        """Make sure that the table has columns.

        Raises:
            ValueError: one is missing.
        """
        missing = [field for field in fields if field not in self.fields]
        if missing:
            raise ValueError(f"nvidia-smi's answer has no field {', '.join(missing)}")


def table(lines: Iterable[str]) -> Table:
    """Read an answer in csv.

    Args:
        lines: what nvidia-smi printed, whatever its exit status.

    Raises:
        ValueError: it has no table, or one whose rows are all cut off.
    """
    fields: tuple[str, ...] = ()
    rows: list[Mapping[str, str]] = []
    remarks: list[str] = []
    for line in filter(None, map(str.strip, lines)):
        if not fields and (header := _header(line)):
            fields = header
        elif fields and (row := _row(line, fields)):
            rows.append(row)
        elif not fields or _header(line) != fields:
            remarks.append(line)
    if not fields:
        said = f": {' '.join(remarks)}" if remarks else ""
        raise ValueError(f"nvidia-smi printed no table{said}")
    short = [line for line in remarks if _begins(line, fields)]
    if (rows or short) and all(CUT_OFF in row.values() for row in rows):
        raise ValueError(f"nvidia-smi's answer is cut off: {[*map(dict, rows), *short]}")
    return Table(fields, tuple(rows), tuple(remarks))


def _header(line: str) -> tuple[str, ...]:
    names = tuple(cell.strip().partition(" [")[0] for cell in line.split(","))
    return names if not _IDENTITIES.keys().isdisjoint(names) else ()


def _row(line: str, fields: tuple[str, ...]) -> Mapping[str, str] | None:
    # The last column keeps further commas: a process can have them in its name.
    cells = [cell.strip() for cell in line.split(",", len(fields) - 1)]
    values = dict(zip(fields, cells, strict=False))
    named = next(field for field in _IDENTITIES if field in fields)
    if not _IDENTITIES[named].fullmatch(values.get(named, "")):
        return None
    if len(cells) < len(fields) and fields[len(cells) - 1] != named:
        values[fields[len(cells) - 1]] = CUT_OFF  # what ends early may end within a value
    return {field: values.get(field, CUT_OFF) for field in fields}


def _begins(line: str, fields: tuple[str, ...]) -> bool:
    """Whether a line has the form of the beginning of a row."""
    form = _IDENTITIES.get(fields[0])
    return bool(form and form.fullmatch(line.partition(",")[0].strip()))
