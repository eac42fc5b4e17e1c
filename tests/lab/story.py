"""A server that goes through things in their order, for tests that run in any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class Story:
    """Chapters that build upon each other; the first one starts from the beginning.

    Args:
        chapters: what is done in each, in their order.
    """

    def __init__(self, chapters: Mapping[str, Callable[[], Any]]) -> None:
        self._chapters = list(chapters.items())
        self._results: list[Any] = []

    def at(self, chapter: str) -> Any:
        """Be at the end of a chapter; start again where the story has gone on already.

        Returns:
            What the chapter returned.
        """
        wanted = self._number(chapter)
        if len(self._results) > wanted + 1:
            self._results.clear()
        return self.after(chapter)

    def after(self, chapter: str) -> Any:
        """Be at the end of a chapter, or of a later one; return what the chapter returned."""
        wanted = self._number(chapter)
        while len(self._results) <= wanted:
            self._results.append(self._chapters[len(self._results)][1]())
        return self._results[wanted]

    def _number(self, chapter: str) -> int:
        return [name for name, _ in self._chapters].index(chapter)
