"""What a server is busy with: read from the script's output, waited for, or told."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from torchrack.errors import HostError
from torchrack.onboard import ready
from torchrack.onboard.ready import parse, problems, wait_until_ready
from torchrack.operations.files import read
from torchrack.remote import Answer

IDLE = """== cloud-init
== boot
running
== jobs
== packages
== people
== room
/\tbytes\t68216512512
/\tinodes\t15997385
/run\tbytes\t5055209472
/run\tinodes\tany
== end""".splitlines()
# cloud-init 24.1, cloudinit/cmd/status.py
CLOUD = """status: {status}
extended_status: {status}
boot_status_code: enabled-by-generator
last_update: Thu, 01 Jan 1970 00:00:24 +0000
detail: DataSourceNoCloud [seed=/dev/vdb]
errors: []
recoverable_errors: {{}}"""


def with_lines(section: str, *lines: str) -> list[str]:
    """The idle answer with other lines in a section."""
    start = IDLE.index(f"== {section}") + 1
    end = next(n for n in range(start, len(IDLE)) if IDLE[n].startswith("== "))
    return [*IDLE[:start], *lines, *IDLE[end:]]


def cloud(status: str, boot: str = "running") -> list[str]:
    lines = with_lines("cloud-init", *CLOUD.format(status=status).splitlines())
    return [boot if line == "running" else line for line in lines]


APT = with_lines("packages", "812 /usr/bin/python3 /usr/bin/unattended-upgrade ")
BOOTING = [
    line.replace("running", "starting") for line in with_lines("jobs", "network-wait.service")
]
ALICE = with_lines("people", "alice\tpts/0\t65\t10.0.0.5\t0", "root\ttty1\t7200\t\t0")
OURS = with_lines("people", "ubuntu\tpts/0\t2\t10.86.5.1\t1")


def test_a_server_that_is_left_alone() -> None:
    now = parse(IDLE)
    assert (now.busy, now.full, now.people, problems("gpu07", now)) == ("", (), (), [])


@pytest.mark.parametrize(
    ("lines", "busy", "told"),
    [
        (cloud("running"), "cloud-init", ("cloud-init", "DataSourceNoCloud", "status --long")),
        (cloud("not started", "starting"), "cloud-init", ("cloud-init", "not started", "again")),
        (APT, "another package manager (812", ("apt's lock", "unattended-upgrade", "wait until")),
        (BOOTING, "the boot", ("The boot", "waiting for network-wait.service", "list-jobs")),
        (ALICE, "", ("Others at work", "alice from 10.0.0.5 on pts/0, used 1 min ago", "agree")),
        (with_lines("room", "/\tbytes\t1048576"), "", ("Room", "/: 1 MiB free", "df -h")),
        (with_lines("room", "/var\tinodes\t0"), "", ("Room", "/var: 0 inodes free", "df -i")),
        (with_lines("room", "/\tread-only\t0"), "", ("Room", "/ is mounted read-only", "mend")),
    ],
)
def test_what_stands_in_the_way(lines: list[str], busy: str, told: tuple[str, str, str]) -> None:
    now = parse(lines)
    assert now.busy.startswith(busy)
    assert bool(now.busy) == bool(busy)
    (problem,) = problems("gpu07", now)
    what, found, fix = told
    assert problem.where == "gpu07"
    assert what in problem.what
    assert found in problem.found
    assert fix in problem.fix


@pytest.mark.parametrize(
    "lines",
    [
        cloud("done"),
        cloud("error"),
        cloud("disabled"),
        cloud("not run"),
        OURS,
        with_lines("people", "root\ttty1\t7200\t\t0"),
    ],
)
def test_what_does_not(lines: list[str]) -> None:
    assert problems("gpu07", parse(lines)) == []


def test_everything_at_once() -> None:
    lines = [*ALICE[:-4], "/\tbytes\t0", "== end"]
    lines[lines.index("== packages") + 1 : lines.index("== packages") + 1] = ["9 apt-get update"]
    assert len(problems("gpu07", parse(lines))) == 3


Waiting = Callable[..., tuple[list[str], int, list[str]]]


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> Waiting:
    """``waiting(answer, ...)``: the problems' subjects, the number of looks, what was told."""
    monkeypatch.setattr(ready, "POLL", 0.01)

    def run(*answers: list[str], seconds: float = 5) -> tuple[list[str], int, list[str]]:
        left, told = list(answers), []
        looks: list[str] = []

        def look(text: str) -> Answer:
            looks.append(text)
            return Answer(left.pop(0) if len(left) > 1 else left[0], [])

        session = SimpleNamespace(run=look, host=SimpleNamespace(name="gpu07"))
        found = wait_until_ready(session, seconds=seconds, told=told.append)
        assert set(looks) == {read("onboard/ready.sh")}
        return [problem.what for problem in found], len(looks), told

    return run


def test_it_waits_and_says_for_what(waiting: Waiting) -> None:
    found, looks, told = waiting(BOOTING, cloud("running"), cloud("running"), APT, IDLE)
    assert (found, looks) == ([], 5)
    assert [line.split(",")[0] for line in told] == [
        "waiting for the boot",
        "waiting for cloud-init",
        "waiting for another package manager (812 /usr/bin/python3 /usr/bin/unattended-upgrade)",
    ]


def test_it_does_not_wait_for_ever_nor_for_people(waiting: Waiting) -> None:
    found, looks, _ = waiting(APT, seconds=0.05)
    assert found == ["apt's lock"]
    assert looks > 1
    assert waiting(cloud("running"), seconds=0)[:2] == (["cloud-init"], 1)
    both = [*APT]
    both[both.index("== people") + 1 : both.index("== people") + 1] = ["bob\tpts/3\t0\t10.0.0.6\t0"]
    assert waiting(both)[:2] == (["Others at work", "apt's lock"], 1)


@pytest.mark.parametrize("lines", [[], IDLE[:-1], with_lines("people", "garbage")])
def test_an_answer_that_is_none(waiting: Waiting, lines: list[str]) -> None:
    with pytest.raises(HostError, match="an answer that makes no sense"):
        waiting(lines)
