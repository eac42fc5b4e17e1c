"""A check that could not run at all ends like one that found something.

A deploy file that no longer loads, a mistyped option or a lock that another process holds ended
with status 2, which means drift, and which the nightly unit takes for success: nobody heard that
nothing was checked. Tools whose status for findings is also that of their failures, or of wrong
usage, hide real failures in every scheduler.

Reference: https://github.com/snyk/driftctl/issues/1350
Kind: success is reported where nothing was checked.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import io
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperCommand
from typer.main import get_command

from torchrack import cli
from torchrack.commands.drift import check as command
from torchrack.commands.drift.fix import with_others
from torchrack.drift import history
from torchrack.drift.alerts import send
from torchrack.drift.alerts.state import Message
from torchrack.drift.model import Finding, HostResult, Result
from torchrack.drift.verdict import STATUS, verdict
from torchrack.drift.waivers import Waived
from torchrack.errors import TorchrackError
from torchrack.operations.files import render


def leaves(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in group.commands:
        one = group.commands[name]
        if hasattr(one, "commands"):
            yield from leaves(one, (*words, name))
        else:
            yield (*words, name), one


COMMANDS = dict(leaves(get_command(cli.app)))


def needed(leaf: Any) -> list[str]:
    """Values for what a command can't do without."""
    options = (
        [f"--{one}=ann" for one in ("name", "address", "user")] if leaf.name == "adopt" else []
    )
    arguments = [one for one in leaf.params if one.required and one.param_type_name == "argument"]
    return ["nosuch.py" for _ in arguments] + options


def ended(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    monkeypatch.setattr(sys, "argv", ["torchrack", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TorchrackError("it could not be done"), 1),
        (BrokenPipeError(32, "Broken pipe"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_what_keeps_a_command_from_its_answer_is_no_answer(
    words: tuple[str, ...], error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(TyperCommand, "invoke", fails)
    assert ended(monkeypatch, *words, *needed(COMMANDS[words])) == status


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_wrong_usage_is_no_answer(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, *words, *needed(COMMANDS[words]), "--nosuch") == 1
    assert "--nosuch" in capsys.readouterr().err


@pytest.mark.parametrize("words", [(), ("nosuch",), ("drift",), ("drift", "history")])
def test_a_command_line_that_ends_early_is_no_answer(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ended(monkeypatch, *words) == 1


@pytest.mark.parametrize(
    "words",
    [words for words, leaf in COMMANDS.items() if any(p.name == "inventory" for p in leaf.params)],
    ids=" ".join,
)
def test_a_missing_inventory_is_no_answer(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    option = ["--inventory", "nosuch.py", "--gpu", "B200"] if words == ("explain",) else []
    option = ["nosuch.py"] if words in (("doctor",), ("data", "check")) else option
    assert ended(monkeypatch, *words, *needed(COMMANDS[words]), *option) == 1


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fleet whose hosts are none of this test's business, and an alert that is kept."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(command, "locked_in_part", lambda *_: ([], [], True))
    monkeypatch.chdir(tmp_path)
    hook = tmp_path / "hook"
    hook.write_text("http://127.0.0.1:9/T0P-5ECRET\n")
    hook.chmod(0o600)
    (tmp_path / "fleet.alerts.yml").write_text(
        f"- kind: slack\n  url: {{source: file, name: {hook}}}\n"
    )
    (tmp_path / "deploy.py").write_text(
        "from torchrack.run import run\ndef stage(): pass\nrun(stage)\n"
    )
    return tmp_path / "fleet.py"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    found: list[Message] = []
    monkeypatch.setattr(send, "send", lambda _target, message: found.append(message))
    return found


BROKEN = {
    "missing": None,
    "no Python": "run(",
    "an import that fails": "import nosuch",
    "no stage": "",
    "its own exit, as success": "import sys; sys.exit()",
    "its own exit, as drift": "import sys; sys.exit(2)",
}


def night(monkeypatch: pytest.MonkeyPatch, fleet: Path) -> object:
    return ended(monkeypatch, "drift", "check", str(fleet), "--nightly")


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_deploy_file_that_does_not_load_fails_and_is_told_once(
    text: str | None, fleet: Path, sent: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = (fleet.parent / "deploy.py").read_text()
    assert night(monkeypatch, fleet) == 0
    if text is None:
        (fleet.parent / "deploy.py").unlink()
    else:
        (fleet.parent / "deploy.py").write_text(text)
    assert [night(monkeypatch, fleet) for _ in range(2)] == [1, 1]
    (fleet.parent / "deploy.py").write_text(good)
    assert night(monkeypatch, fleet) == 0

    came, went = sent
    assert (came.verdict, came.came[0].id, came.came[0].severity) == (
        "incomplete", "check.failed", "outage",
    )  # fmt: skip
    assert came.came[0].what.startswith("The nightly check could not run: ")
    assert (went.verdict, went.went[0].id) == ("in_sync", "check.failed")


@pytest.mark.parametrize("error", [typer.Exit(1), ValueError("a fault"), SystemExit(0)])
def test_whatever_fails_on_the_way_is_told(
    error: BaseException, fleet: Path, sent: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(command, "locked_in_part", fails)
    with suppress(ValueError):  # Python's own status for it is 1
        assert night(monkeypatch, fleet) == 1
    assert [one.came[0].id for one in sent] == ["check.failed"]


def test_a_check_by_hand_alerts_nobody(
    fleet: Path, sent: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    (fleet.parent / "deploy.py").unlink()
    assert ended(monkeypatch, "drift", "check", str(fleet)) == 1
    assert sent == []


def test_another_check_at_work_is_a_failure(
    fleet: Path, sent: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that is running tells what it finds; this one has found nothing."""
    assert night(monkeypatch, fleet) == 0
    with history.path_of(fleet).with_suffix(".lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert night(monkeypatch, fleet) == 1
    assert sent == []


def test_what_is_unknown_wins_over_what_differs() -> None:
    now = dt.datetime(2026, 11, 24)
    found = [
        Finding("gpu01", f"sshd.{kind}", "sshd", kind, "outage", "what", "a", "b", "fix")
        for kind in ("drift", "pending", "hardware", "unknown")
    ]
    whole = Waived(Result("f.py", now, now, ("sshd",), (), tuple(found)), {})
    known = Waived(Result("f.py", now, now, ("sshd",), (), tuple(found[:3])), {})
    assert [STATUS[verdict(one)] for one in (whole, known)] == [1, 2]


def test_a_fix_of_one_host_is_no_good_word_for_another() -> None:
    """The check after a fix asks the hosts that were mended; another one may not have answered."""
    now = dt.datetime(2026, 11, 24)
    away = Finding("gpu02", "host.unreachable", "host", "unreachable", "outage", "w", "a", "b", "f")
    before = Result("f.py", now, now, ("sshd",), (HostResult("gpu02", (away,)),))
    after = Result("f.py", now, now, ("sshd",), (HostResult("gpu01", (), ("sshd",)),))
    assert verdict(Waived(after, {})) == "in_sync"
    assert verdict(with_others(Waived(after, {}), Waived(before, {}))) == "incomplete"


def test_the_unit_takes_drift_alone_for_success() -> None:
    text = render(
        "controller/drift.service.j2",
        fleet="lab.py", folder="/srv", command="torchrack", environment="/e", limit=60,
    )  # fmt: skip
    assert [line for line in text.splitlines() if line.startswith("SuccessExitStatus")] == [
        f"SuccessExitStatus={STATUS['drift']}"
    ]
