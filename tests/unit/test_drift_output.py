"""The formats of a check: each says the same."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import pytest
from junitparser import JUnitXml

from torchrack.drift.history import Check, History, Seen, Span
from torchrack.drift.model import Finding, HostResult, Result
from torchrack.drift.output import FORMATS, schema
from torchrack.drift.output.schema import CheckData
from torchrack.drift.select import moment, select
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

PAST = History(
    tuple(
        Check(number, WHEN - dt.timedelta(days=4 - number), verdict)
        for number, verdict in enumerate(("in_sync", "drift", "drift", "incomplete"), 1)
    ),
    (Span("gpu01", "sshd.x", WHEN - dt.timedelta(days=2), WHEN, True),),
)


def checked(*hosts: HostResult, about: tuple[Finding, ...] = ()) -> Waived:
    done = Result("f.py", WHEN, WHEN + dt.timedelta(seconds=2.5), STAGES, hosts, about)
    return Waived(done, {("gpu01", "docker.x"): WAIVER})


@pytest.mark.parametrize("name", FORMATS)
def test_a_fleet_in_sync(name: str):
    text = FORMATS[name](checked(HOSTS[1]), {}, PAST)
    assert text.endswith("\n")
    assert "sshd.x" not in text


def test_json_is_json():
    data = json.loads(FORMATS["json"](checked(*HOSTS), SEEN, PAST))
    assert data["verdict"] == "incomplete"
    assert [one["waiver"] is not None for one in data["findings"]] == [False, True, False]


def test_markdown_has_a_row_a_finding():
    text = FORMATS["markdown"](checked(*HOSTS), SEEN, PAST)
    assert text.startswith("# f.py: could not be checked whole\n")
    rows = [line for line in text.splitlines() if line.startswith("| gpu")]
    assert len(rows) == 3
    assert "2026-11-21" in rows[0] + rows[1]
    assert any("waived by ann until 2027-01-31" in row for row in rows)
    assert all(row.replace("\\|", "").count("|") == 9 for row in rows), "a bar in a cell is one"


def test_junit_has_a_case_a_stage():
    report = JUnitXml.fromstring(FORMATS["junit"](checked(*HOSTS), SEEN, PAST).encode())
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
    text = FORMATS["junit"](checked(HOSTS[1], about=(about,)), {}, PAST)
    assert JUnitXml.fromstring(text.encode()).failures == 1


def metrics(text: str) -> dict[str, float]:
    pairs = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_prometheus_counts_what_is_open():
    found = metrics(FORMATS["prometheus"](checked(*HOSTS), SEEN, PAST))
    labels = 'fleet="f.py",host="gpu01",class="drift",severity="security"'
    assert found[f"torchrack_drift_findings{{{labels}}}"] == 1
    assert found[f"torchrack_drift_waived_findings{{{labels}}}"] == 1
    assert found['torchrack_drift_hosts{fleet="f.py"}'] == 3
    assert found['torchrack_drift_unchecked_hosts{fleet="f.py"}'] == 1
    assert found['torchrack_drift_seconds{fleet="f.py"}'] == 2.5


@pytest.mark.parametrize(("hosts", "there"), [(HOSTS[:2], True), (HOSTS, False)])
def test_the_dead_mans_metric_is_of_whole_checks(hosts: tuple[HostResult, ...], there: bool):
    found = metrics(FORMATS["prometheus"](checked(*hosts), SEEN, History()))
    name = 'torchrack_drift_last_whole_check_timestamp_seconds{fleet="f.py"}'
    assert (name in found) == there
    if there:
        assert found[name] == WHEN.timestamp() + 2.5


def test_the_whole_check_that_was_the_last_outlives_those_that_were_not():
    """The dead man's metric: it must not vanish on the night that a host is away."""
    text = FORMATS["prometheus"](checked(*HOSTS), SEEN, PAST)
    name = "torchrack_drift_last_whole_check_timestamp_seconds"
    assert metrics(text)[f'{name}{{fleet="f.py"}}'] == (WHEN - dt.timedelta(days=1)).timestamp()


def test_html_has_a_row_a_host_and_a_page_a_host():
    text = FORMATS["html"](checked(*HOSTS), SEEN, PAST)
    for host in ("gpu01", "gpu02", "gpu03"):
        assert f'<a href="#host-{host}">' in text
        assert f'<section class="host" id="host-{host}">' in text
    assert 'class="cell security" title="sshd: What | it is">1<' in text
    assert text.count('class="cell unknown"') == len(STAGES)  # gpu03's
    assert "waived by ann until 2027-01-31" in text


def test_html_needs_nothing_from_elsewhere_and_escapes():
    evil = replace(finding("gpu01", "sshd.x"), actual="<script>alert(1)</script>")
    text = FORMATS["html"](checked(HostResult("gpu01", (evil,), STAGES)), {}, PAST)
    assert "&lt;script&gt;" in text
    for foreign in ("<script", "http:", "https:", "url(", "@import"):
        assert foreign not in text


def test_html_draws_a_bar_a_check():
    text = FORMATS["html"](checked(*HOSTS), SEEN, PAST)
    assert text.count("<title>Check ") == len(PAST.checks)
    assert text.count('<rect class="security"') == 3
    assert text.count('<rect class="quiet"') == 1
    assert "<svg" not in FORMATS["html"](checked(*HOSTS), SEEN, History())


def test_json_is_of_the_published_schema():
    data = json.loads(FORMATS["json"](checked(*HOSTS), SEEN, PAST))
    assert CheckData.model_validate(data).verdict == "incomplete"
    published = (Path(__file__).parents[2] / "docs" / "drift.schema.json").read_text()
    assert published == schema.text(), "python -m torchrack.drift.output.schema makes it anew"


def test_only_what_is_grave_or_new_is_chosen_and_what_is_unknown_always():
    away = finding("gpu03", "host.unreachable", "unreachable")
    slight = replace(finding("gpu01", "stamp.x"), severity="cosmetic")
    hosts = (
        HostResult("gpu01", (finding("gpu01", "sshd.x"), slight), STAGES),
        HostResult("gpu03", (replace(away, severity="cosmetic"),)),
    )

    def ids(**wanted: object) -> list[str]:
        return [one.id for one in select(checked(*hosts), SEEN, **wanted).result.findings]

    assert ids() == ["sshd.x", "stamp.x", "host.unreachable"]
    assert ids(severity="outage") == ["sshd.x", "host.unreachable"]
    assert ids(since=WHEN - dt.timedelta(days=1)) == ["stamp.x", "host.unreachable"]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("24h", WHEN - dt.timedelta(days=1)),
        ("90m", WHEN - dt.timedelta(minutes=90)),
        ("2w", WHEN - dt.timedelta(weeks=2)),
        ("2026-11-20", dt.datetime(2026, 11, 20, tzinfo=dt.timezone.utc)),
        ("2026-11-20T10:00:00+02:00", dt.datetime(2026, 11, 20, 8, tzinfo=dt.timezone.utc)),
    ],
)
def test_moments(text: str, meant: dt.datetime):
    assert moment(text, WHEN) == meant


@pytest.mark.parametrize("text", ["yesterday", "24", "h", "-3d", "2026-13-01", ""])
def test_no_moments(text: str):
    with pytest.raises(ValueError, match=r".*"):
        moment(text, WHEN)
