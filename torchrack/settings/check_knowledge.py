"""Problems of the ``knowledge`` section: rows that are none, or that contradict the tables."""

from __future__ import annotations

from collections.abc import Iterator

from torchrack.errors import Problem
from torchrack.knowledge import check
from torchrack.knowledge.load import KnowledgeError
from torchrack.settings.model import Settings


def knowledge(host: str, settings: Settings) -> Iterator[Problem]:
    """Yield what is wrong with the fleet's own rows.

    Args:
        host: the host's name, for the messages.
        settings: its merged settings.
    """
    section = settings.knowledge
    if not section.rows:
        return
    try:
        found = check.problems(section.tables())
    except KnowledgeError as error:
        found = error.problems
    for problem in found:
        table, _, text = problem.partition(": ")
        yield Problem(
            section.where("rows") or host,
            f"knowledge.rows, {table}",
            text,
            "rows that agree with torchrack/knowledge/*.yml and with each other",
            "correct the row; docs/contract.md shows one of each table",
        )
