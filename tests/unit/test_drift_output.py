"""The formats of a check: each says the same."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from junitparser import JUnitXml

from torchrack.drift.history import Seen
from torchrack.drift.model import Finding, HostResult, Result
from torchrack.drift.output import FORMATS
from torchrack.drift.waivers import Waived, Waiver

WHEN = dt.datetime(2026, 11, 24, 3, 0, tzinfo=dt.timezone.utc)
STAGES = ("sshd", "docker")


def finding(host: str, id_: str, kind: str = "drift") -> Finding:
    stage = id_.split(".", maxsplit=1)[0]
    return Finding(host, id_, stage, kind, "security", "What | it is", "a", 'b "c"', "mend it")


WAIVER = Waiver(id="docker.x", reason="because", owner="ann", expires=dt.date(2027, 1, 31))
HOSTS = (
    HostResult("gpu01", (finding("gpu01", "sshd.x"), finding("gpu01", "docker.x")), STAGES),
    HostResult("gpu02", (), STAGES),
    HostResult("gpu03", (finding("gpu03", "host.unreachable", "unreachable"),)),
)
SEEN = {("gpu01", "sshd.x"): Seen(WHEN - dt.timedelta(days=3), WHEN, False)}


def checked(*hosts: HostResult, about: tuple[Finding, ...] = ()) -> Waived:
    done = Result("f.py", WHEN, WHEN + dt.timedelta(seconds=2.5), STAGES, hosts, about)
    return Waived(done, {("gpu01", "docker.x"): WAIVER})


@pytest.mark.parametrize("name", FORMATS)
def test_a_fleet_in_sync(name: str):
    text = FORMATS[name](checked(HOSTS[1]), {})
    assert text.endswith("\n")
    assert "sshd.x" not in text


def test_json_is_json():
    data = json.loads(FORMATS["json"](checked(*HOSTS), SEEN))
    assert data["verdict"] == "incomplete"
    assert [one["waiver"] is not None for one in data["findings"]] == [False, True, False]


def test_markdown_has_a_row_a_finding():
    text = FORMATS["markdown"](checked(*HOSTS), SEEN)
    assert text.startswith("# f.py: could not be checked whole\n")
    rows = [line for line in text.splitlines() if line.startswith("| gpu")]
    assert len(rows) == 3
    assert "2026-11-21" in rows[0] + rows[1]
    assert any("waived by ann until 2027-01-31" in row for row in rows)
    assert all(row.replace("\\|", "").count("|") == 9 for row in rows), "a bar in a cell is one"


def test_junit_has_a_case_a_stage():
    report = JUnitXml.fromstring(FORMATS["junit"](checked(*HOSTS), SEEN).encode())
    cases = {
        (suite.name, case.name): [type(one).__name__ for one in case.result]
        for suite in report
        for case in suite
    }
    assert cases == {
        ("gpu01", "sshd"): ["Failure"],
        ("gpu01", "docker"): ["Skipped"],
        ("gpu02", "sshd"): [],
        ("gpu02", "docker"): [],
        ("gpu03", "sshd"): ["Error"],
        ("gpu03", "docker"): ["Error"],
    }
    assert (report.failures, report.errors, report.skipped) == (1, 2, 1)


def test_junit_tells_of_waivers_too():
    about = Finding("-", "waivers.expired:x", "waivers", "drift", "compat", "w", "e", "a", "f")
    text = FORMATS["junit"](checked(HOSTS[1], about=(about,)), {})
    assert JUnitXml.fromstring(text.encode()).failures == 1


def metrics(text: str) -> dict[str, float]:
    pairs = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_prometheus_counts_what_is_open():
    found = metrics(FORMATS["prometheus"](checked(*HOSTS), SEEN))
    labels = 'fleet="f.py",host="gpu01",class="drift",severity="security"'
    assert found[f"torchrack_drift_findings{{{labels}}}"] == 1
    assert found[f"torchrack_drift_waived_findings{{{labels}}}"] == 1
    assert found['torchrack_drift_hosts{fleet="f.py"}'] == 3
    assert found['torchrack_drift_unchecked_hosts{fleet="f.py"}'] == 1
    assert found['torchrack_drift_seconds{fleet="f.py"}'] == 2.5


@pytest.mark.parametrize(("hosts", "there"), [(HOSTS[:2], True), (HOSTS, False)])
def test_the_dead_mans_metric_is_of_whole_checks(hosts: tuple[HostResult, ...], there: bool):
    found = metrics(FORMATS["prometheus"](checked(*hosts), SEEN))
    name = 'torchrack_drift_last_whole_check_timestamp_seconds{fleet="f.py"}'
    assert (name in found) == there
    if there:
        assert found[name] == WHEN.timestamp() + 2.5
