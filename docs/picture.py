"""Make the pictures in the README from real runs.

``script -qec 'COMMAND' /dev/null | python docs/picture.py NAME TITLE`` writes ``docs/NAME.svg``.
``deploy`` is a run of ``pyinfra -y inventories/lab.py deploy.py``, ``onboard`` of docs/onboard.sh.
"""

from __future__ import annotations

import re
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 118
KEEP = 100
"""Lines shown: the end of the run, where its results stand."""

_MOVES = re.compile(r"(\n|\r|\x1b\[\d*A|\x1b\[2K|\x1b\[\?25[lh])")


def screen(output: str) -> list[str]:
    """Return what stands on a terminal at the end of its output, line by line.

    Bars that were drawn over and over stand there once, or not at all.
    """
    lines, row = [""], 0
    fresh = False
    for part in _MOVES.split(output):
        if part == "\n":
            row, fresh = row + 1, False
            lines += [""] * (row + 1 - len(lines))
        elif part == "\r":
            fresh = True
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part.startswith("\x1b[") and part.endswith("A"):
            row = max(0, row - int(part[2:-1] or 1))
        elif part and not part.startswith("\x1b[?25"):
            lines[row] = part if fresh else lines[row] + part
            fresh = False
    return lines


def main() -> None:
    """Read a terminal's output, write the SVG."""
    name, title = sys.argv[1:]
    lines = "\n".join(screen(sys.stdin.buffer.read().decode())).rstrip().splitlines()
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    for line in lines[-KEEP:]:
        console.print(Text.from_ansi(line.rstrip()), no_wrap=True, crop=True)
    # A picture that fetches nothing: the viewer's own monospace font will do.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title=title), flags=re.DOTALL)
    Path(__file__).with_name(f"{name}.svg").write_text(svg)


if __name__ == "__main__":
    main()
