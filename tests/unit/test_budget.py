"""The seconds that files of tests may take: one table in the code, and the same in the docs."""

from __future__ import annotations

import re
from pathlib import Path

from tests.budget import BUDGET

TESTS = Path(__file__).parents[1]


def test_the_docs_have_the_same_table() -> None:
    text = (TESTS.parent / "docs/testing.md").read_text()
    rows = re.findall(r"^\| `(\S+\.py)` \| (\d+) \|$", text, re.MULTILINE)
    assert {name: int(seconds) for name, seconds in rows} == BUDGET
    assert rows == sorted(rows, key=lambda row: -int(row[1])), "the longest first"


def test_each_file_of_the_table_is_there() -> None:
    assert [name for name in BUDGET if not (TESTS / name).exists()] == []
