"""What is shown of newcomers on their way, where there is no terminal."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from torchrack.onboard.model import Step
from torchrack.onboard.show import Show
from torchrack.runner.model import Change, Failure


@pytest.fixture
def out() -> StringIO:
    return StringIO()


@pytest.fixture
def show(out: StringIO) -> Show:
    return Show(Console(file=out, width=200), ["gpu7", "gpu10"], 12)


def test_a_line_a_step(show: Show, out: StringIO) -> None:
    with show:
        show.step("gpu7", "probe")
        show.ended("gpu7", Step("probe", "done", "SSH-2.0-[bold]x", 1.25))

    assert out.getvalue() == "gpu7   probe     done       1.2 s  SSH-2.0-[bold]x\n"


def test_a_count_gets_one_line_where_there_is_no_bar(show: Show, out: StringIO) -> None:
    show.step("gpu7", "state")
    for number in range(3):
        show.note("gpu7", f"{number} of 126 state tests")
    show.note("gpu7", "waiting")

    assert out.getvalue().split("\n")[:-1] == [
        "gpu7   state     0 of 126 state tests",
        "gpu7   state     waiting",
    ]


def test_no_server_steers_the_terminal(show: Show, out: StringIO) -> None:
    show.step("gpu7", "deploy")
    show.note("gpu7", "\x1b]0;title\x07")
    show.failed(Failure("gpu7", "driver", "Install", "\x1b[2J"))
    show.ended("gpu7", Step("deploy", "failed", "\x1b[2J"))

    assert not {"\x1b", "\x07"} & set(out.getvalue())


def test_a_stage_of_the_deploy_gets_its_line_when_it_is_over(show: Show, out: StringIO) -> None:
    show.step("gpu7", "deploy")
    show.began("base", "Update")
    show.changed(Change("gpu7", "base", "Update", ()))
    show.began("base", "Other")
    show.began("sshd", "Harden")
    show.ended("gpu7", Step("deploy", "done", "1 change"))

    lines = [line.partition(",")[0] for line in out.getvalue().splitlines()]
    assert lines[:2] == ["deploy: base: 1 changed", "deploy: sshd: nothing to change"]
