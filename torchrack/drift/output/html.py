"""A check as one HTML file that needs nothing else: the fleet, a page a host, the last checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from torchrack.drift.history import Check, History, Seen, Span
from torchrack.drift.model import SEVERITIES, Severity
from torchrack.drift.output.json import as_data
from torchrack.drift.severity import severity_of
from torchrack.drift.verdict import WORDS
from torchrack.drift.waivers import Waived
from torchrack.html.template import template

_MOST_BARS = 90
"""Checks in the chart: three months of nights."""
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 900, 190, 38, 22
_UNSURE = ("unknown", "unreachable")


def render(checked: Waived, seen: Mapping[tuple[str, str], Seen], past: History) -> str:
    """Return the page.

    Args:
        checked: the result of a check, with its waivers.
        seen: host and id of a finding to what the history knows of it.
        past: earlier checks, for the chart; it may be empty.
    """
    data = as_data(checked, seen)
    result = checked.result
    findings = sorted(data["findings"], key=lambda one: SEVERITIES.index(one["severity"]))
    hosts = [
        host
        | {"findings": [one for one in findings if one["host"] == host["name"]]}
        | {"cells": [_cell(stage, host, findings) for stage in result.stages]}
        for host in data["hosts"]
    ]
    bars, chart = _chart(past)
    return template("torchrack.drift", "output", "report.html.j2").render(
        **{key: data[key] for key in ("fleet", "verdict", "stages")},
        words=WORDS[data["verdict"]],
        started=result.started.strftime("%Y-%m-%d %H:%M UTC"),
        seconds=f"{(result.finished - result.started).total_seconds():.1f}",
        severities=SEVERITIES,
        hosts=hosts,
        worst=[one for one in findings if not one["waiver"] and one["host"] != "-"],
        fleet_findings=[one for one in findings if one["host"] == "-"],
        bars=bars,
        chart=chart,
    )


def _cell(stage: str, host: Mapping[str, Any], findings: Sequence[Mapping[str, Any]]) -> Any:
    """Return what the grid shows of a stage on a host: its gravest finding, and how many."""
    own = [
        one
        for one in findings
        if one["host"] == host["name"] and one["stage"] == stage and not one["waiver"]
    ]
    unsure = any(one["class"] in _UNSURE for one in own) or stage not in host["checked"]
    if unsure:
        return {"class": "unknown", "text": "?", "title": f"{stage}: could not be checked"}
    if not own:
        return {"class": "fine", "text": "✓", "title": f"{stage}: as deployed"}
    told = ", ".join(one["what"] for one in own)
    return {"class": own[0]["severity"], "text": str(len(own)), "title": f"{stage}: {told}"}


def _chart(past: History) -> tuple[list[Any], dict[str, Any]]:
    """Return the bars of the last checks, and where lines and labels go."""
    checks = past.checks[-_MOST_BARS:]
    if not checks:
        return [], {}
    counts = [Counter(map(_severity, past.at(check))) for check in checks]
    most = max(1, *(sum(count.values()) for count in counts))
    step = (_WIDTH - _LEFT) / max(len(checks), 12)
    scale = (_HEIGHT - _BOTTOM - 10) / most
    floor = _HEIGHT - _BOTTOM
    bars = [
        {
            "x": round(_LEFT + number * step + step * 0.1, 1),
            "title": _title(check, count),
            "parts": _parts(count, floor, scale),
        }
        for number, (check, count) in enumerate(zip(checks, counts, strict=True))
    ]
    values = sorted({0, (most + 1) // 2, most})
    chart = {
        "width": _WIDTH,
        "height": _HEIGHT,
        "bar": round(step * 0.8, 1),
        "marks": [{"value": value, "y": round(floor - value * scale, 1)} for value in values],
        "labels": _labels(checks, step),
    }
    return bars, chart


def _severity(span: Span) -> Severity:
    """How grave it was; a history of an earlier version does not know."""
    return span.severity or severity_of(span.id)


def _parts(count: Mapping[Severity, int], floor: float, scale: float) -> list[Any]:
    if not count:
        return [{"class": "quiet", "y": floor - 3, "height": 3}]
    parts, y = [], floor
    for severity in SEVERITIES:
        if count.get(severity):
            height = count[severity] * scale
            y -= height
            parts.append({"class": severity, "y": round(y, 1), "height": round(height, 1)})
    return parts


def _title(check: Check, count: Mapping[Severity, int]) -> str:
    told = ", ".join(f"{count[one]} {one}" for one in SEVERITIES if count.get(one))
    when = check.started.strftime("%Y-%m-%d %H:%M")
    return f"Check {check.number}, {when}: {told or 'nothing'}"


def _labels(checks: Sequence[Check], step: float) -> list[Any]:
    """Return the dates of the first and the last bar."""
    first = {"x": _LEFT, "anchor": "start", "text": checks[0].started.strftime("%Y-%m-%d")}
    if len(checks) == 1:
        return [first]
    end = max(_LEFT + len(checks) * step, _LEFT + 170)
    last = {"x": round(end), "anchor": "end", "text": checks[-1].started.strftime("%Y-%m-%d")}
    return [first, last]
