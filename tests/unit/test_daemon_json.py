"""daemon.json: merged leaf by leaf, nobody's keys lost, no needless restart."""

from __future__ import annotations

from typing import Any

import pytest

from torchrack.docker.daemon_json import NotAnObjectError, dump, leaves, merge, parse, step


@pytest.mark.parametrize("text", ["", " \n", "{}", "{}\n"])
def test_an_empty_file_is_an_empty_object_as_for_dockerd(text: str) -> None:
    assert parse(text) == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{\n  "icc": false,\n}', "line 3, column 1"),
        ('{"icc": false', "line 1, column 14"),
        ("# comment\n{}", "line 1, column 1"),
        ("[]", "list in place of an object"),
        ('"x"', "str in place of an object"),
        ('{"labels": ["a=1"], "labels": ["b=2"]}', "'labels' more than once"),
        ("\ufeff{}", "line 1, column 1"),
    ],
)
def test_what_is_not_an_object_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(NotAnObjectError, match=told):
        parse(text)


def test_leaves_go_down_to_lists_and_empty_objects() -> None:
    value = {"a": {"b": 1, "c": {}}, "d": [1, {"e": 2}]}
    assert list(leaves(value)) == [(("a", "b"), 1), (("a", "c"), {}), (("d",), [1, {"e": 2}])]


MERGES: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    # what, current, declared, owned, expected
    ("first", {}, {"icc": False}, {}, {"icc": False}),
    ("theirs stays", {"dns": ["1.1.1.1"]}, {"icc": False}, {}, {"dns": ["1.1.1.1"], "icc": False}),
    (
        "nested theirs stays",
        {"features": {"containerd-snapshotter": False}},
        {"features": {"cdi": True}},
        {},
        {"features": {"containerd-snapshotter": False, "cdi": True}},
    ),
    ("edited by hand", {"icc": True}, {"icc": False}, {"icc": False}, {"icc": False}),
    ("no longer declared", {"icc": False, "mtu": 1400}, {}, {"icc": False}, {"mtu": 1400}),
    (
        "no longer declared, nested",
        {"log-opts": {"max-size": "50m", "tag": "x"}},
        {},
        {"log-opts": {"max-size": "50m"}},
        {"log-opts": {"tag": "x"}},
    ),
    (
        "nothing left of an object of ours",
        {"log-opts": {"max-size": "50m"}},
        {},
        {"log-opts": {"max-size": "50m"}},
        {},
    ),
    ("given another value since", {"icc": True}, {}, {"icc": False}, {"icc": True}),
    ("removed by hand before", {}, {}, {"icc": False}, {}),
    ("of another type", {"log-opts": "x"}, {"log-opts": {"a": "1"}}, {}, {"log-opts": {"a": "1"}}),
    (
        "an empty object of ours",
        {"runtimes": {"x": {}}},
        {"runtimes": {}},
        {},
        {"runtimes": {"x": {}}},
    ),
    ("a list is one value", {"dns": ["9.9.9.9"]}, {"dns": ["1.1.1.1"]}, {}, {"dns": ["1.1.1.1"]}),
]


@pytest.mark.parametrize(
    ("current", "declared", "owned", "expected"),
    [pytest.param(*case[1:], id=case[0]) for case in MERGES],
)
def test_merge(
    current: dict[str, Any],
    declared: dict[str, Any],
    owned: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    before = dump(current)
    merged = merge(current, declared, owned)
    assert merged == expected
    assert dump(current) == before, "the argument is left alone"
    assert merge(merged, declared, declared) == merged, "a second merge changes nothing"


def test_another_owners_key_stays_when_we_let_go_of_it() -> None:
    shared = {"features": {"cdi": True}}
    assert merge(shared, {}, shared, others=shared) == shared


def test_the_order_that_people_gave_the_file_is_kept() -> None:
    merged = merge({"mtu": 1400, "icc": True, "dns": []}, {"icc": False, "debug": True}, {})
    assert list(merged) == ["mtu", "icc", "dns", "debug"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"icc": False}, {"icc": False}, "none"),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "none"),
        ({}, {"labels": ["a=1"]}, "reload"),
        ({"live-restore": False}, {"live-restore": True}, "reload"),
        ({"registry-mirrors": ["https://a"]}, {"registry-mirrors": ["https://b"]}, "reload"),
        ({"registry-mirrors": ["https://a"]}, {}, "restart"),
        ({"max-concurrent-downloads": 6}, {}, "reload"),
        ({}, {"features": {"cdi": True}}, "restart"),
        ({"icc": False}, {"icc": True}, "restart"),
        ({"icc": False}, {}, "restart"),
        ({}, {"labels": ["a=1"], "icc": False}, "restart"),
        ({"debug": None}, {}, "restart"),
    ],
)
def test_step(before: dict[str, Any], after: dict[str, Any], expected: str) -> None:
    assert step(before, after) == expected
