"""A verdict as Markdown: for a ticket, a chat, or the fleet's repository."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from torchrack.onboard.pages.blocks import Block, Facts, Lines
from torchrack.onboard.pages.content import Page

_SPECIAL = re.compile(r"([\\`*_|<>\[\]])")


def render(page: Page) -> str:
    """Return the text of a page."""
    return "\n".join(_lines(page)).rstrip() + "\n"


def _lines(page: Page) -> Iterator[str]:
    yield from (f"# {_plain(page.result.newcomer.name)}: {page.words}", "", _plain(page.lead), "")
    if page.problems:
        yield from ("## What is in the way", "")
        headings = ("What", "Found", "Needed", "What to do")
        yield from _table(headings, ((p.what, p.found, p.needed, p.fix) for p in page.problems))
    if page.result.next:
        yield from ("## Next", "", f"    {' '.join(page.result.next.split())}", "")
    yield from ("## Steps", "")
    yield from _table(
        ("Step", "", "Time", "What is true now"),
        ((line.step.name, line.words, line.took, line.step.said) for line in page.steps),
    )
    for section in page.sections:
        yield from (f"## {_plain(section.heading)}", "")
        if section.folded:
            yield from ("<details><summary>Show them</summary>", "")
        for block in section.blocks:
            yield from _block(block)
        if section.folded:
            yield from ("</details>", "")


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Facts):
        yield from _table(("", ""), block.rows)
    elif isinstance(block, Lines):
        for line in block.lines:
            yield from (_plain(line), "")
    else:
        yield from _table(block.headings, block.rows)


def _table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield _row(headings)
    yield "|" + "---|" * len(headings)
    yield from map(_row, rows)
    yield ""


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(map(_plain, cells)) + " |"


def _plain(text: str) -> str:
    """Return a text in which nothing is markup: it may come from a server that nobody knows yet."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return _SPECIAL.sub(r"\\\1", " ".join(printable.split()))
