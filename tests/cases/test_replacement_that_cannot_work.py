"""A changed container can't work, and the one that ran well is gone.

Somebody gives a running notebook a GPU that the host does not have, another command, a port that is
taken. Programs that remove the old container first leave the host without either; when they are
killed in between, they leave none, or two.

Reference: https://github.com/containrrr/watchtower/issues/90
Reference: https://github.com/basecamp/kamal/issues/217
Kind: a change that fails takes down what ran before.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.fake_engine import NAME, UNIT, Host

WAYS = {
    "start": "driver failed: listen tcp4 0.0.0.0:8888: bind: address already in use",
    "health": "not healthy after 120 s (running 0 unhealthy)",
    "end": "ended with status 3 before it was healthy",
    "unit": "its unit failed: its journal",
}


def test_a_good_container_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    host = Host(tmp_path)
    ended = host.replace()
    assert (ended.rc, ended.said) == (0, "")
    assert host.names == [NAME]
    assert host.running != ["old"]
    assert (tmp_path / "loaded").read_text() == "new\n"
    assert not host.together
    assert host.recover().said == "", "systemd runs it after each end"


@pytest.mark.parametrize("bad", WAYS)
def test_the_old_container_comes_back(tmp_path: Path, bad: str) -> None:
    host = Host(tmp_path)
    ended = host.replace(bad=bad)
    assert ended.rc == 1
    assert (host.names, host.running) == ([NAME], ["old"])
    sentence = f"{NAME}: the new container did not start: {WAYS[bad]}; the old one runs again."
    assert sentence in ended.said.splitlines()[-5:], "what a summary shows"
    assert (tmp_path / "loaded").read_text() == (tmp_path / "units" / UNIT).read_text() == "old\n"
    assert not host.together


def test_a_program_that_ends_at_once_is_no_success(tmp_path: Path) -> None:
    host = Host(tmp_path)
    ended = host.replace(bad="end", health=False)
    assert ended.rc == 1
    assert "did not start: ended right after its start with status 3; the old one" in ended.said
    assert "no such module" in ended.said, "its last lines"
    assert host.running == ["old"]


@pytest.mark.parametrize("bad", WAYS)
def test_a_first_container_that_fails_leaves_nothing(tmp_path: Path, bad: str) -> None:
    host = Host(tmp_path, old=False)
    ended = host.replace(bad=bad)
    assert ended.rc == 1
    assert f"{WAYS[bad]}; it was removed." in ended.said
    assert (host.names, host.running, list((tmp_path / "units").iterdir())) == ([], [], [])
    assert host.replace().rc == 0, "the next run works"
    assert len(host.running) == 1


def test_one_that_did_not_run_is_kept_and_not_started(tmp_path: Path) -> None:
    host = Host(tmp_path)
    (tmp_path / "active").unlink()
    host.container(NAME, "old", status="exited")
    ended = host.replace(bad="health")
    assert "the old one, which did not run, is back in its place." in ended.said
    assert (host.names, host.running) == ([NAME], [])


def test_a_container_of_another_owner_is_never_taken(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.container(f"{NAME}.previous", "theirs", label="")
    ended = host.replace()
    assert ended.rc == 1
    assert "already in use; the old one runs again." in ended.said
    assert host.names == [NAME, f"{NAME}.previous"]
    assert host.running == ["old"]


@pytest.mark.parametrize("end", ["killed", "reboot"])
@pytest.mark.parametrize("bad", ["", "health"])
def test_cut_off_at_any_moment(tmp_path: Path, bad: str, end: str) -> None:
    """The program is killed, or the plug pulled, at each change: one container runs, never two."""
    whole = Host(tmp_path / "whole")
    whole.replace(bad=bad)
    assert whole.changes > 5
    for moment in range(1, whole.changes + 1):
        host = Host(tmp_path / str(moment))
        assert host.replace(bad=bad, kill_at=moment).rc == -9
        if end == "killed":
            host.recover()
        else:
            host.reboot()
        assert (len(host.running), host.together) == (1, False), (moment, host.names)
        if moment % 3 == 0:
            done = host.replace()
            assert done.rc == 0, (moment, done.said)
            assert (host.names, len(host.running)) == ([NAME], 1), moment
