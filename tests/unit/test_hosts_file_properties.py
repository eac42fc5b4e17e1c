"""Whatever a hosts file looks like, adding and removing a host touches nothing else."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from torchrack.hosts_file import Entry, add, read, remove

GROUPS = ("gpu", "cpu", "old")
NEW = Entry(address="198.51.100.7", user="ops")
gaps = st.sampled_from(["", "", "", "\n", "# a note\n", "    # deeper\n", "\n# a\n\n# b\n"])
quotes = st.sampled_from(["", "'", '"'])


@st.composite
def files(draw: st.DrawFn) -> str:
    """A hosts file as a person may have written it."""
    text, number = draw(gaps), 0
    indent = " " * draw(st.sampled_from([1, 2, 4]))
    for group in GROUPS[: draw(st.integers(0, 3))]:
        kind = draw(st.sampled_from(["lines", "lines", "lines", "nothing", "braces", "empty"]))
        names = [f"h{number + i}" for i in range(draw(st.integers(1, 3)))]
        number += len(names)
        note = draw(st.sampled_from(["", "  # the group"]))
        if kind == "lines":
            text += f"{group}:{note}\n" + draw(gaps)
            for name in names:
                quote = draw(quotes)
                text += f"{indent}{name}:\n{indent * 2}address: {quote}{name}.example{quote}\n"
                text += draw(st.sampled_from(["", f"{indent * 2}port: 2222  # not 22\n"]))
                text += draw(gaps)
        elif kind == "braces":
            inner = ", ".join(f"{name}: {{address: {name}.example}}" for name in names)
            text += f"{group}: {{{inner}}}{note}\n"
        else:
            text += f"{group}:{' {}' if kind == 'empty' else ''}{note}\n"
        text += draw(gaps)
    return text if draw(st.booleans()) else text.rstrip("\n")


def notes(text: str) -> list[str]:
    return sorted(line[line.index("#") :] for line in text.splitlines() if "#" in line)


@settings(max_examples=40, deadline=None)
@given(files(), st.sampled_from([*GROUPS, "new"]))
def test_a_host_comes_and_goes(text: str, group: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lab.hosts.yml"
        path.write_text(text)
        before = read(path)
        assert add(path, group, "new", NEW)
        added = path.read_text()
        assert read(path) == {**before, group: {**before.get(group, {}), "new": NEW}}
        assert [note for note in notes(text) if note not in notes(added)] == []
        assert remove(path, "new")
        assert read(path) == {**before, group: before.get(group, {})}
        assert [note for note in notes(text) if note not in notes(path.read_text())] == []
        if "{" not in text and group in before and before[group]:
            assert path.read_text().rstrip("\n") == text.rstrip("\n")


@settings(max_examples=40, deadline=None)
@given(files(), st.integers(0, 8))
def test_any_host_can_be_taken_out(text: str, number: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lab.hosts.yml"
        path.write_text(text)
        before, name = read(path), f"h{number}"
        there = any(name in entries for entries in before.values())
        assert remove(path, name) == there
        left = {
            group: {key: entry for key, entry in entries.items() if key != name}
            for group, entries in before.items()
        }
        assert read(path) == left
