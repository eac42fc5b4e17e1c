"""Seconds that each file of tests may take in ``make test``, and what a run says about it.

Files are run longest first, so that workers side by side end at the same time. At the end of a run
of several files the ten slowest are named, and those over their budget. A file that is not in the
table may take REST seconds. docs/testing.md has the same table, which a unit test compares.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

REST = 15
BUDGET = {
    "lab/test_mutations.py": 500,
    "lab/test_onboard_ready.py": 320,
    "lab/test_breaks.py": 300,
    "lab/test_drift.py": 210,
    "lab/test_deploy.py": 200,
    "lab/test_offboard.py": 180,
    "lab/test_lock.py": 170,
    "lab/test_runner.py": 155,
    "lab/test_mended.py": 150,
    "lab/test_onboard_checks.py": 150,
    "lab/test_new_fleet.py": 140,
    "lab/test_drift_faults.py": 110,
    "fast/test_one_host.py": 110,
    "lab/test_onboard_login.py": 90,
    "lab/test_faults.py": 85,
    "lab/test_adopt.py": 80,
    "lab/test_apt_traps.py": 80,
    "lab/test_onboard_arrival.py": 70,
    "cases/test_one_server_has_a_second_sshd.py": 65,
    "lab/test_verdict.py": 50,
    "cases/test_foreign_packages_named_nvidia.py": 40,
    "cases/test_commands_from_another_folder.py": 40,
    "cases/test_replacement_that_cannot_work.py": 30,
    "cases/test_engine_that_does_not_start.py": 30,
    "cases/test_warnings_beside_the_table.py": 30,
    "lab/test_cloud_init.py": 30,
    "lab/test_drift_witness.py": 30,
    "cases/test_replacement_on_a_server.py": 25,
    "cases/test_docker_context.py": 25,
}
SLOWEST = 10

_seconds = pytest.StashKey[dict[str, float]]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; the order within a file stays."""
    items.sort(key=lambda item: -BUDGET.get(_file(item.path), 0))


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Clock(config))


def _file(path: Path) -> str:
    """Return a file's name below tests/."""
    return "/".join(path.parts[path.parts.index("tests") + 1 :])


class _Clock:
    """Adds up what the tests of each file took, in this process or in the workers."""

    def __init__(self, config: pytest.Config) -> None:
        self._seconds = config.stash.setdefault(_seconds, defaultdict(float))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[_file(Path(report.location[0]))] += report.duration

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if len(self._seconds) <= 1:
            return
        terminalreporter.write_sep("=", "seconds by file")
        longest = sorted(self._seconds.items(), key=lambda entry: -entry[1])
        for name, seconds in longest[:SLOWEST]:
            terminalreporter.write_line(f"{seconds:8.1f}  {name}")
        for name, seconds in longest:
            if seconds > BUDGET.get(name, REST):
                terminalreporter.write_line(
                    f"over its budget of {BUDGET.get(name, REST)} s: {name}, {seconds:.0f} s"
                )
