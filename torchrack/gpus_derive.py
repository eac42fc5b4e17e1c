"""Derive ``gpus.yml`` from the PCI ID database: ``python -m torchrack.gpus_derive pci.ids``.

The database is Debian's package ``pci.ids``; take the newest (sid's), because that of a stable
release lacks the cards of the last two years.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from torchrack.gpus import ARCHITECTURES

_NO_GPU = re.compile(r"Audio|USB|NVSwitch|PCIe host|PCI bridge|Root (Port|Complex)", re.IGNORECASE)
_NAME = re.compile(r"(?P<chip>[A-Z]{2}\d\w*)[^[]*(?:\[(?P<product>.*)\])?")
_HEADER = """\
# NVIDIA's GPUs from Maxwell on, by PCI device id: chip, and product where the database names one.
# Made by `python -m torchrack.gpus_derive pci.ids > torchrack/gpus.yml`: do not edit.
# Source: the PCI ID Project's database (https://pci-ids.ucw.cz/), BSD-3-Clause or GPL-2.0-or-later,
# (c) Martin Mares and Albert Pool.
"""


def rows(lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield device id, chip and product of NVIDIA's GPUs in ``pci.ids`` lines.

    Audio functions, USB controllers, switches and bridges, which stand there too, are left out.
    """
    of_nvidia = False
    for line in lines:
        if line[:1] not in ("\t", "#", "", "\n"):
            of_nvidia = line.startswith("10de ")
        elif of_nvidia and line.startswith("\t") and not line.startswith("\t\t"):
            device, name = line.strip().split(None, 1)
            match = _NAME.match(name)
            if match and match["chip"][:2] in ARCHITECTURES and not _NO_GPU.search(name):
                yield device.lower(), match["chip"], match["product"] or ""


def nvswitches(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield device id and name of NVIDIA's NVSwitches in ``pci.ids`` lines."""
    of_nvidia = False
    for line in lines:
        if line[:1] not in ("\t", "#", "", "\n"):
            of_nvidia = line.startswith("10de ")
        elif of_nvidia and line.startswith("\t") and not line.startswith("\t\t"):
            device, name = line.strip().split(None, 1)
            match = re.search(r"\[(.*NVSwitch.*)\]", name)
            if match:
                yield device.lower(), match[1]


def version(lines: Iterable[str]) -> str:
    """Return the database's version, its date with dots.

    Raises:
        ValueError: the lines are not a pci.ids file.
    """
    for line in lines:
        match = re.match(r"#\s+Version:\s*(\S+)", line)
        if match:
            return match[1]
    raise ValueError("not a pci.ids file: it has no version")


def table(text: str) -> str:
    """Return the text of ``gpus.yml`` for the text of ``pci.ids``."""
    lines = text.splitlines()
    body = [f"source: pci.ids {version(lines)}", "gpus:"]
    body += [
        f'  "{device}": [{chip}, {json.dumps(product, ensure_ascii=False)}]'
        for device, chip, product in rows(lines)
    ]
    body.append("nvswitches:")
    body += [f'  "{device}": {json.dumps(name)}' for device, name in nvswitches(lines)]
    return _HEADER + "\n".join(body) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table(Path(sys.argv[1]).read_text(encoding="utf-8", errors="replace")))
