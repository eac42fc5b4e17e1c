"""NVLinks as ``nvidia-smi nvlink -s`` shows them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_ALL_DOWN = re.compile(r"all links are inactive", re.IGNORECASE)
_DOWN = re.compile(r"<?\s*(inactive|down|disabled)\s*>?", re.IGNORECASE)
_UP = re.compile(r"<?\s*(\d+(\.\d+)? ?GB/s|active|sleep)\s*>?", re.IGNORECASE)
"""A link of NVLink 5 that sleeps is up, and saves power (NVML_NVLINK_STATE_SLEEP)."""


@dataclass
class Links:
    """The links of all GPUs, by nvidia-smi's index.

    Args:
        down: names of the links that are down.
        up: names of those that are up.
        unknown: names of the others, with what nvidia-smi says of them.
        remarks: lines that are about no link.
    """

    down: dict[int, list[str]] = field(default_factory=dict)
    up: dict[int, list[str]] = field(default_factory=dict)
    unknown: dict[int, dict[str, str]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def links(lines: Iterable[str]) -> Links:
    """Read the answer to ``nvidia-smi nvlink -s``.

    Args:
        lines: what it printed, whatever its exit status.
    """
    found = Links()
    index: int | None = None
    for line in filter(None, map(str.strip, lines)):
        if gpu := re.match(r"GPU (\d+): .*\(UUID:", line):
            index = int(gpu[1])
        elif index is not None and (link := re.match(r"Link (\d+): *(.*)", line)):
            if _DOWN.fullmatch(link[2]):
                found.down.setdefault(index, []).append(link[1])
            elif _UP.fullmatch(link[2]):
                found.up.setdefault(index, []).append(link[1])
            elif not re.fullmatch(r"<?(N/A|Not Supported)>?", link[2], re.IGNORECASE):
                found.unknown.setdefault(index, {})[link[1]] = link[2]
        elif not _ALL_DOWN.search(line):  # as on a card without a bridge
            found.remarks.append(line)
    return found
