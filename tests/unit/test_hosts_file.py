"""The hosts file: read whole or refused, changed without touching what people wrote."""

import threading
from pathlib import Path

import pytest

from torchrack import atomic
from torchrack.errors import ProblemsError
from torchrack.hosts_file import Entry, add, path_of, proposing, read, remove

NEW = Entry(address="10.0.0.7", user="torchrack")
WRITTEN = """\
# the lab's servers

gpu:   # two racks
    gpu02:
        address: '192.0.2.12'   # quoted, and out of order
        port: 2222
    # rack 2
    gpu01:
        address: 192.0.2.11
        user: ann
        key: ~/.ssh/lab

# the old ones
cpu:
    box: {address: box.example.org, agent: true}
# the end
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lab.hosts.yml"
    path.write_text(WRITTEN)
    return path


def told(path: Path) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        read(path)
    return [f"{p.where.removeprefix(str(path))} {p.what}: {p.found}" for p in caught.value.problems]


def test_it_lies_beside_the_inventory() -> None:
    assert path_of("fleets/lab.py") == Path("fleets/lab.hosts.yml")


def test_reading(file: Path) -> None:
    assert read(file) == {
        "gpu": {
            "gpu02": Entry(address="192.0.2.12", port=2222),
            "gpu01": Entry(address="192.0.2.11", user="ann", key="~/.ssh/lab"),
        },
        "cpu": {"box": Entry(address="box.example.org", agent=True)},
    }


def test_no_file_and_a_file_of_comments_have_no_host(tmp_path: Path) -> None:
    path = tmp_path / "lab.hosts.yml"
    assert read(path) == {}
    path.write_text("# gpu:\n#   gpu01: ...\n")
    assert read(path) == {}


def test_a_new_host_is_three_new_lines(file: Path) -> None:
    assert add(file, "gpu", "gpu07", NEW)
    added = "    gpu07:\n        address: 10.0.0.7\n        user: torchrack\n"
    before, after = WRITTEN.split("        key: ~/.ssh/lab\n")
    assert file.read_text() == before + "        key: ~/.ssh/lab\n" + added + after
    assert read(file)["gpu"]["gpu07"] == NEW


def test_many_stand_in_the_order_in_which_they_were_named(tmp_path: Path) -> None:
    path = tmp_path / "lab.hosts.yml"
    names = ["d", "b", "c", "a"]
    for name in ("c", "a", "d", "b"):
        entry = Entry(address=f"{name}.example.org")
        add(path, "gpu", name, entry, before=names[names.index(name) + 1 :])
    assert list(read(path)["gpu"]) == names


def test_none_comes_between_a_comment_and_its_host(tmp_path: Path) -> None:
    path = tmp_path / "lab.hosts.yml"
    text = "gpu:\n  a:\n    address: a\n  # of b\n  b:\n    address: b\n"
    path.write_text(text)
    add(path, "gpu", "gpu07", NEW, before=["b"])
    assert path.read_text().startswith(text)


def test_the_same_host_again_changes_nothing(file: Path) -> None:
    assert add(file, "gpu", "gpu07", NEW)
    text, stat = file.read_text(), file.stat()
    assert not add(file, "gpu", "gpu07", NEW)
    assert (file.read_text(), file.stat().st_mtime_ns) == (text, stat.st_mtime_ns)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "# Hosts of lab.py"),
        ("# mine\n", "# mine\ngpu:\n  gpu07:\n"),
        (
            "gpu:\n# none yet\n",
            "gpu:\n  gpu07:\n    address: 10.0.0.7\n    user: torchrack\n# none",
        ),
        ("gpu: {}  # none yet\n", "# none yet"),
        ("gpu: {a: {address: 10.0.0.1}}  # one\n", "# one"),
        ("gpu: {\n a: {address: 10.0.0.1},\n}  # one\n", "# one"),
        ("---\ncpu:\n  b:\n    address: 10.0.0.1", "    address: 10.0.0.1\ngpu:\n  gpu07:\n"),
        ("cpu:\n  b:\n    address: 10.0.0.1\n...\n", "cpu:\n  b:\n    address: 10.0.0.1\n"),
    ],
)
def test_adding_to_files_of_all_kinds(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "lab.hosts.yml"
    if text:
        path.write_text(text)
    before = read(path)
    assert add(path, "gpu", "gpu07", NEW)
    assert expected in path.read_text()
    assert read(path) == {**before, "gpu": {**before.get("gpu", {}), "gpu07": NEW}}


def test_a_comment_is_never_lost(tmp_path: Path) -> None:
    path = tmp_path / "lab.hosts.yml"
    path.write_text("gpu: {\n a: {address: 10.0.0.1},  # one\n}\n")
    before = path.read_text()
    with pytest.raises(ProblemsError) as caught:
        add(path, "gpu", "gpu07", NEW)
    assert "without loss of a comment" in caught.value.problems[0].found
    assert path.read_text() == before


def test_what_was_added_is_removed_without_a_trace(file: Path) -> None:
    add(file, "gpu", "gpu07", NEW)
    assert remove(file, "gpu07")
    assert file.read_text() == WRITTEN


def test_removing_keeps_the_comments_around(file: Path) -> None:
    assert remove(file, "gpu02")
    assert remove(file, "gpu01")
    assert read(file) == {"gpu": {}, "cpu": {"box": Entry(address="box.example.org", agent=True)}}
    for comment in (
        "# the lab's servers",
        "# two racks",
        "# rack 2",
        "# the old ones",
        "# the end",
    ):
        assert comment in file.read_text()
    assert remove(file, "box")
    assert read(file) == {"gpu": {}, "cpu": {}}
    assert add(file, "cpu", "box", NEW)
    assert read(file)["cpu"] == {"box": NEW}


def test_removing_from_a_group_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "lab.hosts.yml"
    path.write_text("gpu: {a: {address: 10.0.0.1}, b: {address: 10.0.0.2}}  # two\n")
    assert remove(path, "a")
    assert read(path) == {"gpu": {"b": Entry(address="10.0.0.2")}}
    assert "# two" in path.read_text()


def test_a_host_that_is_not_there_is_not_removed(file: Path) -> None:
    assert not remove(file, "gpu09")
    assert file.read_text() == WRITTEN


@pytest.mark.parametrize(
    ("name", "entry", "words"),
    [
        ("gpu01", NEW, "Name gpu01: a host of that name in gpu, at 192.0.2.11"),
        ("box", NEW, "Name box: a host of that name in cpu"),
        ("gpu07", Entry(address="192.0.2.12", port=2222), "192.0.2.12 port 2222, which is gpu02's"),
        ("gpu,07", NEW, "Host name: 'gpu,07'"),
        ("@local", NEW, "Host name: '@local'"),
    ],
)
def test_names_and_addresses_are_taken_once(
    file: Path, name: str, entry: Entry, words: str
) -> None:
    with pytest.raises(ProblemsError) as caught:
        add(file, "gpu", name, entry)
    assert words in " ".join(f"{p.what}: {p.found}" for p in caught.value.problems)
    assert file.read_text() == WRITTEN


def test_another_port_of_an_address_is_another_host(file: Path) -> None:
    assert add(file, "gpu", "gpu07", Entry(address="192.0.2.12", port=2223))


def test_all_that_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "lab.hosts.yml"
    path.write_text(
        "gpu:\n"
        "  gpu01: {address: 10.0.0.1, prot: 22}\n"
        "  gpu02:\n"
        "    user: ann\n"
        "    port: 70000\n"
        "  03:\n"
        "    address: 10.0.0.3\n"
        "  gpu04: 10.0.0.4\n"
        "  gpu05:\n"
        "    address: 10.0.0.3\n"
        "    port: '22'\n"
        "  gpu06: {address: 10.0.0.3}\n"
        "my gpus: {}\n"
        "cpu: [a]\n"
        "other:\n"
        "  gpu06: {address: 10.0.0.6}\n"
    )
    assert told(path) == [
        ":2 Host gpu01: prot: 22",
        ":3 Host gpu02: address: nothing",
        ":5 Host gpu02: port: 70000",
        ":6 Host name: 3",
        ":8 Host gpu04: '10.0.0.4'",
        ":11 Host gpu05: port: '22'",
        ":12 Address of gpu06: 10.0.0.3 port 22, which is 3's in gpu",
        ":13 Group: the name 'my gpus'",
        ":14 Group cpu: ['a']",
        ":16 Name gpu06: a host of that name in gpu, at 10.0.0.3",
    ]
    before = path.read_text()
    with pytest.raises(ProblemsError):
        add(path, "gpu", "gpu07", NEW)
    with pytest.raises(ProblemsError):
        remove(path, "gpu06")
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gpu:\n  a: {address: x}\n  a: {address: y}\n", ':3 Hosts file: found duplicate key "a"'),
        ("gpu:\n  a: {address: x\n", ":3 Hosts file: "),
        ("- a\n- b\n", " Hosts file: seq in it"),
        ("gpu: \x00\n", " Hosts file: "),
    ],
)
def test_what_is_no_hosts_file(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "lab.hosts.yml"
    path.write_text(text)
    assert words in told(path)[0]


def test_a_proposed_host_is_read_and_not_written(file: Path) -> None:
    with proposing(file, "gpu", "gpu07", NEW), proposing(file, "new", "gpu08", NEW_8):
        assert read(file)["gpu"]["gpu07"] == NEW
        assert read(file)["new"] == {"gpu08": NEW_8}
    assert "gpu07" not in read(file)["gpu"]
    assert file.read_text() == WRITTEN


NEW_8 = Entry(address="10.0.0.8")


def test_a_proposed_host_may_clash(file: Path, tmp_path: Path) -> None:
    with proposing(file, "gpu", "gpu01", NEW):
        assert told(file) == [" Name gpu01: a host of that name in gpu, at 192.0.2.11"]
    there = Entry(address="192.0.2.12", port=2222)
    with proposing(file, "gpu", "gpu02", there):
        assert read(file)["gpu"]["gpu02"] == there
    nowhere = tmp_path / "first.hosts.yml"
    with proposing(nowhere, "gpu", "a", NEW), proposing(nowhere, "gpu", "b", NEW):
        assert told(nowhere) == [" Address of b: 10.0.0.7 port 22, which is a's in gpu"]


def test_many_at_once_are_all_written(file: Path) -> None:
    threads = [
        threading.Thread(target=add, args=(file, "gpu", f"n{i}", Entry(address=f"10.1.0.{i}")))
        for i in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {f"n{i}" for i in range(20)} <= set(read(file)["gpu"])


def test_a_write_that_fails_leaves_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        add(file, "gpu", "gpu07", NEW)
    assert file.read_text() == WRITTEN
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_the_mode_stays(file: Path) -> None:
    file.chmod(0o640)
    add(file, "gpu", "gpu07", NEW)
    assert file.stat().st_mode & 0o777 == 0o640
