"""The state tests' own process: what comes of it, and that it ends."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from torchrack.onboard import state_tests
from torchrack.onboard.state_tests import StateTests, run_state_tests
from torchrack.onboard.state_tests.read import counts, read_junit

INVENTORY = Path("inventories/fleet.py")
SUITE = """
import pytest

@pytest.fixture
def broken():
    raise RuntimeError("the probes failed")

@pytest.mark.parametrize("target", ["gpu01"])
class TestNot:
    pass

@pytest.mark.parametrize("target", ["gpu01"])
def test_fine(target):
    pass

@pytest.mark.parametrize("target", ["gpu01-docker.io"])
def test_package(target):
    assert target == "x", "another\\nversion | <b>"

@pytest.mark.parametrize("target", ["gpu01"])
def test_prepared(target, broken):
    pass

@pytest.mark.parametrize("target", ["gpu01"])
def test_left_out(target):
    pytest.skip("no workload of that kind")
"""
# As pytest prints it when its output is a file.
OUTPUT = """\
============================= test session starts ==============================
collecting ... collected 126 items / 4 deselected / 122 selected

tests/state/test_base.py::test_one_time_service_runs[gpu02] PASSED       [  1%]
tests/state/test_base.py::test_kernel_is_held[gpu02] FAILED              [  2%]
tests/state/test_base.py::test_no_automatic_reboot[gpu02] """


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``run(suite, ...)``: what comes of a suite that stands in for tests/state."""

    def command(inventory: Path, host: str, xml: Path) -> list[str]:
        assert (inventory, host) == (INVENTORY, "gpu01")
        suite = [str(tmp_path / "test_host.py"), f"--junitxml={xml}", "-o", "junit_family=xunit2"]
        plain = ["-c", "/dev/null", f"--rootdir={tmp_path}", "-v", "-p", "no:cacheprovider"]
        return [sys.executable, "-m", "pytest", *suite, *plain]

    def of(suite: str, *, seconds: float = 60) -> tuple[StateTests, list[tuple[int, int]]]:
        (tmp_path / "test_host.py").write_text(suite)
        monkeypatch.setattr(state_tests.run, "command", command)
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # they take a second to import
        told: list[tuple[int, int]] = []
        found = run_state_tests(
            INVENTORY, "gpu01", seconds=seconds, progress=lambda *now: told.append(now)
        )
        return found, told

    return of


def test_passed_failed_broken_and_skipped(run) -> None:
    found, told = run(SUITE)
    outcomes = {test.name: test.outcome for test in found.tests}
    assert outcomes == {
        "test_host::test_fine": "passed",
        "test_host::test_package[docker.io]": "failed",
        "test_host::test_prepared": "failed",
        "test_host::test_left_out": "skipped",
    }
    assert found.passed == 1
    assert told[-1] == (4, 4)
    package, prepared = found.problems
    assert package.where == "gpu01"
    assert "another version | <b>" in package.found
    assert "torchrack drift inventories/fleet.py --host gpu01" in package.fix
    assert "--inventory inventories/fleet.py --limit gpu01" in package.fix
    assert "the probes failed" in prepared.found
    assert found.seconds > 0


def test_all_passed(run) -> None:
    found, _ = run("def test_x():\n    pass\n")
    assert found.problems == ()


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        ("", "ended with 5, 0 test(s)"),
        ("import nonsense", "No module named 'nonsense'"),
        ("import os\nos._exit(0)", "ended with 0, 0 test(s)"),
        ("import os\ndef test_x():\n    os._exit(1)", "ended with 1, 0 test(s)"),
    ],
)
def test_no_result_is_a_problem(run, suite: str, said: str) -> None:
    found, _ = run(suite)
    assert found.problems
    assert said in "\n".join(problem.found for problem in found.problems)


def left(folder: Path) -> list[str]:
    """Command lines of processes that have to do with a folder; they get a moment to end."""
    end = time.monotonic() + 1
    while found := [line for line in command_lines() if str(folder) in line]:
        if time.monotonic() > end:
            return found
    return []


def command_lines() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            yield path.read_text(errors="replace").replace("\0", " ")


def test_what_hangs_is_ended_with_what_it_started(run, tmp_path: Path) -> None:
    # Were it left behind, it would also say so at its end.
    mark = tmp_path / "left-behind"
    suite = f"""
import subprocess, time
def test_fine(): pass
def test_hangs():
    subprocess.Popen(["sh", "-c", "sleep 20; touch {mark}"])
    time.sleep(600)
"""
    started = time.monotonic()
    found, _ = run(suite, seconds=2)
    assert time.monotonic() - started < 20
    assert found.tests == ()
    (problem,) = found.problems
    assert problem.found.startswith("no end after 2 s")
    assert left(tmp_path) == []
    assert not mark.exists()


def test_an_interruption_ends_it(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(output: str) -> tuple[int, int]:
        if "collected" in output:
            raise KeyboardInterrupt
        return 0, 0

    monkeypatch.setattr(state_tests.run, "counts", interrupted)
    mark = tmp_path / "went-on"
    suite = f"import time\ndef test_x():\n    time.sleep(20)\n    open({str(mark)!r}, 'w')\n"
    with pytest.raises(KeyboardInterrupt):
        run(suite)
    assert left(tmp_path) == []
    assert not mark.exists()


def test_what_is_left_is_seen(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo; read -r _", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as one:
        assert one.stdout is not None
        one.stdout.readline()  # until then it may not have its command line yet
        assert len(left(tmp_path)) == 1
        one.communicate(b"\n")


def test_the_real_command(tmp_path: Path) -> None:
    argv = state_tests.run.command(INVENTORY, "gpu01", tmp_path / "x.xml")
    assert argv[argv.index("--inventory") + 1] == str(INVENTORY.resolve())
    assert argv[argv.index("--limit") + 1] == "gpu01"
    tests = next(Path(word) for word in argv if word.endswith("tests/state"))
    assert (tests / "test_driver.py").is_file()


def test_options_of_the_person_do_not_change_the_run(run, monkeypatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    found, _ = run("def test_x():\n    pass\n")
    assert found.passed == 1


def test_without_the_tests_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_tests.run, "_NEEDS", {"nonsense": "pytest-nonsense"})
    (problem,) = run_state_tests(INVENTORY, "gpu01").problems
    assert "lacks pytest-nonsense" in problem.found
    assert "make deps" in problem.fix


def test_without_the_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(state_tests.run, "ROOT", tmp_path)
    (problem,) = run_state_tests(INVENTORY, "gpu01").problems
    assert str(tmp_path) in problem.found


def test_progress_counts_whole_lines() -> None:
    assert counts(OUTPUT) == (2, 122)
    assert counts(OUTPUT.replace(" / 4 deselected / 122 selected", "")) == (2, 126)
    assert counts("") == (0, 0)


def test_a_junit_file_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    assert read_junit(path, "gpu01") == ()
    path.write_text('<?xml version="1.0"?><testsuites><testsuite name="py')
    assert read_junit(path, "gpu01") == ()
