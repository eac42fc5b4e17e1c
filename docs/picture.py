"""Make the picture in the README from a real run.

``script -qec 'pyinfra -y inventories/lab.py deploy.py' /dev/null | python docs/picture.py``
writes ``docs/deploy.svg``.
"""

from __future__ import annotations

import re
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 118
KEEP = 40
"""Lines shown: the end of the run, where its results stand."""


def main() -> None:
    """Read a terminal's output, write the SVG."""
    lines = re.sub(r"\x1b\[\?25[lh]|\r", "", sys.stdin.read()).rstrip().splitlines()
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    for line in lines[-KEEP:]:
        console.print(Text.from_ansi(line.rstrip()), no_wrap=True, crop=True)
    title = "pyinfra -y inventories/lab.py deploy.py"
    # A picture that fetches nothing: the viewer's own monospace font will do.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title=title), flags=re.DOTALL)
    Path(__file__).with_name("deploy.svg").write_text(svg)


if __name__ == "__main__":
    main()
