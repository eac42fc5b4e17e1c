"""Lines of a script's answer, by section."""

from __future__ import annotations

import pytest

from torchrack.sections import sections, with_status


def test_lines_are_told_apart_by_their_section():
    answer = ["Welcome!", "==one", "a", "", "== two", "== error", "==rc 3", "==one", "b"]
    assert sections(answer) == {
        "": ["Welcome!"],
        "one": ["a", "b"],
        "two": ["== error", "==rc 3"],
    }
    assert sections(answer, blank=True)["one"] == ["a", "", "b"]
    assert sections([]) == {}


@pytest.mark.parametrize(
    ("lines", "status", "rest"),
    [
        (["a", "==rc 124"], 124, ["a"]),
        (["==rc 0"], 0, []),
        (["a", "==rc "], None, ["a", "==rc "]),
        (["a"], None, ["a"]),
        ([], None, []),
    ],
)
def test_a_sections_exit_status_is_its_last_line(lines, status, rest):
    assert with_status(lines) == (status, rest)
