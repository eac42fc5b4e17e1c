"""The drift check: what goes over to a host, what comes of the answers, and what is told."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api.facts import FactBase
from typer.testing import CliRunner

import tasks
from torchrack.cli import app
from torchrack.difference import differs
from torchrack.drift import memory
from torchrack.drift.batch import Batch, unique
from torchrack.drift.evaluate import Context, Evaluation, evaluate
from torchrack.drift.history import Seen
from torchrack.drift.model import Deployed, Finding, HostResult, Result
from torchrack.drift.output.json import as_data
from torchrack.drift.output.table import render
from torchrack.drift.severity import severity_of
from torchrack.drift.stand_in import StateStandIn
from torchrack.drift.verdict import STATUS, verdict
from torchrack.drift.waivers import Waived
from torchrack.errors import HostError, Problem, TorchrackError
from torchrack.facts.answers import Answers, FactError, Missing, Output, Request
from torchrack.facts.gather import gather
from torchrack.inventory import FleetHost
from torchrack.operations.declared import Declared, plain
from torchrack.operations.guard import operation
from torchrack.report import console
from torchrack.run import ALWAYS, name_of, stages_of
from torchrack.settings import Docker, Workload
from torchrack.settings.model import merge

ROOT = Path(__file__).parents[2]
WHEN = dt.datetime(2026, 11, 24, 3, 0, tzinfo=dt.timezone.utc)

# A script and its answers


def run(batch: Batch) -> dict[str, Output]:
    """Run a batch in a shell here, as a host would."""
    done = subprocess.run(
        ["sh", "-c", batch.script()], capture_output=True, text=True, check=True, timeout=30
    )
    return batch.outputs(done.stdout.splitlines())


def test_many_commands_in_one_script():
    requests = (
        Request("echo one; echo; echo two", 5),
        Request("printf 'no newline'", 5),
        Request("exit 3", 5),
        Request("cat", 5),
        Request("sleep 5", 1),
        Request("echo 'a quote'; echo \"$HOME\" >&2", 5),
    )
    assert run(Batch(requests, "==mark")) == {
        requests[0].command: Output(0, ["one", "", "two"]),
        requests[1].command: Output(0, ["no newline"]),
        requests[2].command: Output(3, []),
        requests[3].command: Output(0, []),
        requests[4].command: Output(124, []),
        requests[5].command: Output(0, ["a quote"]),
    }


def test_a_nvidia_smi_that_hangs_is_waited_for_once():
    requests = (
        Request("sleep 9 # nvidia-smi", 1),
        Request("echo nvidia-smi", 5),
        Request("echo other", 5),
    )
    assert [output.status for output in run(Batch(requests, "==mark")).values()] == [124, 124, 0]


def test_an_answer_that_was_cut_off():
    batch = Batch((Request("echo one", 5), Request("echo two", 5)), "==mark")
    with pytest.raises(ValueError, match="cut off after 1 of 2"):
        batch.outputs(["one", "", "==mark 0 0", "tw"])


def test_each_command_once_with_the_longest_of_its_times():
    requests = [Request("a", 5), Request("b", 5), Request("a", 90)]
    assert unique(requests) == (Request("a", 90), Request("b", 5))


# Facts out of answers


class Words(FactBase[list[str]]):
    """A fact for these tests."""

    def command(self, text: str) -> str:
        return f"echo {text}"

    def process(self, output: list[str]) -> list[str]:
        return output[0].split()

    @staticmethod
    def default() -> list[str]:
        return []


def test_a_fact_is_missing_until_its_command_was_run():
    answers = Answers("gpu01")
    with pytest.raises(Missing) as missing:
        answers.read(Words, {"text": "a b", "_timeout": 90})
    assert missing.value.request == Request("echo a b", 90)
    answers.add({"echo a b": Output(0, ["a b"])})
    assert answers.read(Words, {"text": "a b"}) == ["a", "b"]


@pytest.mark.parametrize(
    ("output", "said"),
    [(Output(1, []), "exit status 1"), (Output(124, []), "took too long")],
)
def test_a_fact_that_failed_is_an_error_of_its_host(output: Output, said: str):
    answers = Answers("gpu01")
    answers.add({"echo x": output})
    with pytest.raises(FactError, match=said):
        answers.read(Words, {"text": "x"})


def test_an_answer_that_makes_no_sense():
    class Number(Words):
        def process(self, output: list[str]) -> Any:
            return int(output[0])

    answers = Answers("gpu01")
    answers.add({"echo x": Output(0, ["x"])})
    with pytest.raises(FactError, match="makes no sense"):
        answers.read(Number, {"text": "x"})


def test_no_output_is_the_facts_default():
    answers = Answers("gpu01")
    answers.add({"echo x": Output(0, [])})
    assert answers.read(Words, {"text": "x"}) == []


# What operations are told by


def test_arguments_are_told_the_same_in_every_process():
    job = Workload(name="job", kind="container", image="x", command=["y"])
    values = {
        "b": {"z", "y"},
        "a": (1, None, Path("/x")),
        "w": job,
        "f": partial(len, "x"),
        "content": b"secret",
    }
    told = json.dumps(plain(values), sort_keys=True)
    assert told == json.dumps(plain(dict(reversed(values.items()))), sort_keys=True)
    assert "builtins.len" in told
    assert "secret" not in told
    with pytest.raises(TypeError, match="object"):
        plain(object())


def test_other_arguments_have_another_digest():
    one = Declared("x", len, {"settings": merge([])})
    other = Declared("x", len, {"settings": merge([{"docker": Docker(nofile=4096)}])})
    assert one.digest == Declared("x", len, {"settings": merge([])}).digest
    assert one.digest != other.digest
    assert len(one.digest) == 12


# A host, looked at


@operation
def words_are(*, text: str, wanted: list[str], tell: bool = True):
    """An operation for these tests."""
    now = gather(Words, text=text)
    if now == wanted:
        return
    if tell:
        differs(f"words:{text}", "spelling", expected=" ".join(wanted), actual=" ".join(now))
    yield "mend"
    gather(Words, text="never asked while it is only looked at")


def stage(*calls: dict[str, Any]):
    """A stage called "speech" that declares these operations."""

    def speech():
        for number, arguments in enumerate(calls):
            words_are(name=f"Say it {number}", **arguments)

    speech.__module__ = "tasks.speech"
    return speech


def look(*stages: Any, outputs: dict[str, Output], deployed: dict[str, str] | None = None):
    fleet = [FleetHost("gpu01", {}, merge([]))]
    host = StateStandIn(fleet, ROOT / "deploy.py").hosts["gpu01"]
    answers = Answers("gpu01")
    answers.add(outputs)
    return evaluate(stages, answers, Context(host, "inventories/x.py", deployed))


def test_what_is_as_declared_is_no_finding():
    outputs = {"echo a": Output(0, ["a"])}
    result = look(stage({"text": "a", "wanted": ["a"]}), outputs=outputs)
    assert result == Evaluation()


def test_facts_of_all_operations_are_asked_for_together():
    calls = [{"text": word, "wanted": [word]} for word in "abc"]
    result = look(stage(*calls), outputs={"echo b": Output(0, ["b"])})
    assert [request.command for request in result.missing] == ["echo a", "echo c"]
    assert result.findings == []


@pytest.mark.parametrize(
    ("deployed", "kind"), [(None, "drift"), ("the same", "drift"), ({"Say it 0": "x"}, "pending")]
)
def test_what_differs_is_drift_or_pending(deployed: Any, kind: str):
    call = {"text": "a", "wanted": ["b"]}
    if deployed == "the same":
        deployed = {"Say it 0": Declared("Say it 0", len, call).digest}
    result = look(stage(call), outputs={"echo a": Output(0, ["a"])}, deployed=deployed)
    (finding,) = result.findings
    assert (finding.id, finding.kind) == ("speech.words:a.spelling", kind)
    assert (finding.stage, finding.expected, finding.actual) == ("speech", "b", "a")
    assert "--limit gpu01 --only speech,stamp" in finding.fix


def test_an_operation_that_does_not_say_what_differs_is_told_all_the_same():
    call = {"text": "a", "wanted": ["b"], "tell": False}
    (finding,) = look(stage(call), outputs={"echo a": Output(0, ["a"])}).findings
    assert finding.id == "speech.say-it-0"


def test_a_fact_that_failed_makes_its_stage_unsure():
    result = look(stage({"text": "a", "wanted": ["a"]}), outputs={"echo a": Output(1, [])})
    (finding,) = result.findings
    assert finding.kind == "unknown"
    assert result.unsure == {"speech"}


def test_a_stage_that_refuses_the_host_is_drift_with_its_own_words():
    def speech():
        raise HostError(Problem("gpu01", "Docker of another source", "docker.io", "one", "remove"))

    speech.__module__ = "tasks.speech"
    (finding,) = look(speech, outputs={}).findings
    assert (finding.kind, finding.actual, finding.fix) == ("drift", "docker.io", "remove")


def test_a_file_that_is_refused_has_the_id_of_a_file():
    def speech():
        raise HostError(Problem("gpu01", "/etc/Speech", "no JSON", "JSON", "correct it"))

    speech.__module__ = "tasks.speech"
    (finding,) = look(speech, outputs={}).findings
    assert (finding.id, finding.severity) == ("speech.file:/etc/Speech.refused", "outage")


@operation
def words_refuse(*, text: str):
    """An operation that sees a difference and refuses to mend it."""
    differs(f"words:{text}", "spelling", expected="b", actual=text)
    raise HostError(Problem("gpu01", "A second speaker", "two", "one", "send one away"))
    yield


def test_what_a_deploy_would_refuse_to_mend_is_mended_as_the_refusal_says():
    def speech():
        words_refuse(name="Say it", text="a")

    speech.__module__ = "tasks.speech"
    told = look(speech, outputs={}).findings
    assert [(one.id, one.fix) for one in told] == [
        ("speech.a-second-speaker", "send one away"),
        ("speech.words:a.spelling", "send one away"),
    ]


def test_a_fault_of_ours_is_unknown_and_hides_nothing_else():
    def broken():
        raise ZeroDivisionError

    broken.__module__ = "tasks.broken"
    call = {"text": "a", "wanted": ["b"]}
    result = look(broken, stage(call), outputs={"echo a": Output(0, ["a"])})
    assert [(one.stage, one.kind) for one in result.findings] == [
        ("broken", "unknown"),
        ("speech", "drift"),
    ]


@operation
def faulty(*, error: Exception):
    """An operation that fails before it knows anything."""
    raise error
    yield ""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ZeroDivisionError("x"), "unknown"),
        (TorchrackError("the file x on this machine can't be read"), "unknown"),
        (HostError(Problem("gpu01", "The deploy user", "no account", "one", "make it")), "drift"),
    ],
)
def test_an_operation_that_fails_is_no_drift_unless_it_speaks_of_the_host(
    error: Exception, kind: str
):
    def speech():
        faulty(name="Fail", error=error)

    speech.__module__ = "tasks.speech"
    (finding,) = look(speech, outputs={}).findings
    assert finding.kind == kind


# Stages


def test_every_stage_that_is_deployed_is_checked():
    modules = {path.stem for path in Path(tasks.__file__).parent.glob("*.py")} - {"__init__"}
    deployed = [name_of(stage) for stage in stages_of(ROOT / "deploy.py")]
    assert set(deployed) == modules
    assert len(deployed) == len(set(deployed))
    # check() takes all of these but the stage that asks hosts itself and changes nothing.
    assert ALWAYS == ("preflight",)


def test_a_deploy_file_that_can_not_be_loaded(tmp_path: Path):
    (tmp_path / "deploy.py").write_text("1/0\n")
    with pytest.raises(TorchrackError, match="division by zero"):
        stages_of(tmp_path / "deploy.py")
    (tmp_path / "deploy.py").write_text("pass\n")
    with pytest.raises(TorchrackError, match="runs no stage"):
        stages_of(tmp_path / "deploy.py")


# What is remembered


def test_what_was_asked_is_recalled(tmp_path: Path):
    file = tmp_path / "a" / "fleet.json"
    asked = {"gpu01": [Request("a", 5), Request("b", 90)], "gpu02": [Request("b", 90)]}
    memory.remember(file, asked)
    assert memory.recall(file) == asked
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"commands": [], "hosts": {"a": [7]}}', "7"])
def test_a_damaged_memory_is_none(tmp_path: Path, text: str):
    file = tmp_path / "fleet.json"
    file.write_text(text)
    assert memory.recall(file) == {}


def test_a_memory_that_can_not_be_kept_is_no_error(tmp_path: Path):
    (tmp_path / "file").touch()
    memory.remember(tmp_path / "file" / "fleet.json", {"gpu01": [Request("a", 5)]})


# What is told


def finding(kind: str = "drift", severity: str = "compat", **more: Any) -> Finding:
    values = {
        "host": "gpu01",
        "id": "docker.file:/etc/docker/daemon.json.content",
        "stage": "docker",
        "what": "Merge our keys into daemon.json",
        "expected": "our keys",
        "actual": "other values",
        "fix": "pyinfra x deploy.py",
    }
    return Finding(kind=kind, severity=severity, **{**values, **more})


def result(*findings: Finding) -> Waived:
    deployed = Deployed("a" * 40, WHEN, "ann@desk")
    host = HostResult("gpu01", findings, ("docker",), deployed, 1.25, 1)
    done = Result("inventories/x.py", WHEN, WHEN + dt.timedelta(seconds=2), ("docker",), (host,))
    return Waived(done, {})


@pytest.mark.parametrize(
    ("kinds", "word", "status"),
    [
        ([], "in_sync", 0),
        (["drift"], "drift", 2),
        (["pending"], "drift", 2),
        (["hardware"], "drift", 2),
        (["drift", "unknown"], "incomplete", 1),
        (["unreachable"], "incomplete", 1),
    ],
)
def test_verdict_and_exit_status(kinds: list[str], word: str, status: int):
    checked = result(*(finding(kind) for kind in kinds))
    assert verdict(checked) == word
    assert STATUS[verdict(checked)] == status


def test_json_has_all_of_a_finding():
    data = as_data(result(finding()), {})
    assert (data["schema"], data["verdict"], data["stages"]) == (1, "drift", ["docker"])
    assert data["hosts"][0]["deployed"]["who"] == "ann@desk"
    assert data["findings"] == [
        {
            "host": "gpu01",
            "id": "docker.file:/etc/docker/daemon.json.content",
            "stage": "docker",
            "class": "drift",
            "severity": "compat",
            "what": "Merge our keys into daemon.json",
            "expected": "our keys",
            "actual": "other values",
            "fix": "pyinfra x deploy.py",
            "diff": "",
            "who": None,
            "when": None,
            "waiver": None,
            "first_seen": None,
            "last_seen": None,
            "flapping": None,
        }
    ]
    assert json.loads(json.dumps(data)) == data


SEEN = {("gpu01", "sshd.x"): Seen(WHEN - dt.timedelta(days=4), WHEN, True)}


def shown(checked: Waived, capsys: pytest.CaptureFixture[str]) -> str:
    console(stderr=False).print(render(checked, SEEN))
    return capsys.readouterr().out


def test_a_fleet_in_sync_is_one_line(capsys: pytest.CaptureFixture[str]):
    assert shown(result(), capsys) == "In sync: 1 host checked in 2.0 s, nothing differs.\n"


def test_findings_are_a_table_and_say_since_when(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")
    text = shown(
        result(finding(severity="cosmetic"), finding(id="sshd.x", severity="security")), capsys
    )
    assert text.index("sshd.x") < text.index("daemon.json.content"), "the gravest first"
    assert "gpu01 drifted since the deploy aaaaaaaaaaaa on 2026-11-24 03:00 UTC by ann@desk" in text
    assert "2 drift. Nothing was changed." in text
    assert "2026-11-20, flapping" in text
    assert "\x1b[" not in text


@pytest.mark.parametrize(
    ("finding_id", "severity"),
    [
        ("sshd.file:/etc/ssh/sshd_config.d/00-torchrack.conf.content", "security"),
        ("base.file:/etc/sudoers.d/90-torchrack.mode", "security"),
        ("driver.unit:nvidia-persistenced.service.running", "outage"),
        ("driver.package:libcuda1.version", "compat"),
        ("stamp.file:/etc/torchrack/deployed.json.versions", "cosmetic"),
        ("anything.else", "compat"),
    ],
)
def test_how_grave_a_finding_is(finding_id: str, severity: str):
    assert severity_of(finding_id) == severity


# The command


def test_an_inventory_that_is_not_locked(tmp_path: Path):
    (tmp_path / "known_hosts").touch()
    inventory = tmp_path / "fleet.py"
    inventory.write_text(
        "from torchrack.inventory import check_fleet, host\n"
        f"gpu = [host('a', address='192.0.2.1', user='x', known_hosts='{tmp_path}/known_hosts')]\n"
        "check_fleet(__file__, globals())\n"
    )
    done = CliRunner().invoke(app, ["drift", str(inventory)], env={"COLUMNS": "250"})
    assert done.exit_code == 1
    assert "torchrack lock" in done.output


def test_a_stand_in_is_not_connected():
    fleet = [FleetHost("gpu01", {"ssh_user": "x"}, merge([]))]
    state = StateStandIn(fleet, ROOT / "deploy.py")
    host = state.inventory.get_host("gpu01")
    assert isinstance(host.data, SimpleNamespace)
    assert host.data.get("ssh_user") == "x"
    assert not hasattr(host, "run_shell_command")
