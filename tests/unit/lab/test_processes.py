"""Background processes: recorded, found again, ended with all their children."""

import json
import os

import pytest

from lab import processes
from lab.state import Lab


def test_a_process_is_found_until_it_is_stopped(lab: Lab) -> None:
    pid = processes.spawn(lab, "sleeper", ["sleep", "60"])
    found = processes.find(lab, "sleeper")
    assert found is not None
    assert found.pid == pid
    assert os.getsid(pid) == pid
    assert processes.names(lab) == ["sleeper"]
    processes.stop(lab, "sleeper")
    assert not found.alive
    assert processes.names(lab) == []


def test_one_that_ignores_the_request_is_killed(lab: Lab) -> None:
    ready = lab.directory / "ready"
    os.mkfifo(ready)
    processes.spawn(lab, "deaf", ["sh", "-c", f"trap '' TERM; echo ready > {ready}; sleep 60"])
    assert ready.read_text() == "ready\n"  # opening a pipe waits for its writer
    found = processes.find(lab, "deaf")
    assert found is not None
    processes.stop(lab, "deaf", timeout=0.2)
    assert not found.alive


def test_a_later_process_with_the_same_id_is_another(lab: Lab) -> None:
    processes.spawn(lab, "sleeper", ["sleep", "60"])
    record = lab.run / "sleeper.json"
    data = json.loads(record.read_text())
    record.write_text(json.dumps(data | {"started": "1"}))
    assert processes.find(lab, "sleeper") is None
    record.write_text(json.dumps(data))
    processes.stop(lab, "sleeper")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_damaged_record_is_no_process(lab: Lab, text: str) -> None:
    lab.run.mkdir()
    (lab.run / "x.json").write_text(text)
    assert processes.find(lab, "x") is None
