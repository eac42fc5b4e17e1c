"""Chapters run in their order, whatever the order in which tests ask for them."""

from __future__ import annotations

from tests.lab.story import Story


def test_each_chapter_once_and_from_the_start_where_it_has_gone_on() -> None:
    done: list[str] = []

    def chapter(name: str) -> str:
        done.append(name)
        return name

    story = Story({name: lambda name=name: chapter(name) for name in ("born", "wed", "dead")})
    assert story.at("wed") == "wed"
    assert story.at("wed") == "wed"
    assert done == ["born", "wed"]
    assert story.after("born") == "born"
    assert done == ["born", "wed"]
    assert story.at("dead") == "dead"
    assert story.at("born") == "born"
    assert done == ["born", "wed", "dead", "born"]
