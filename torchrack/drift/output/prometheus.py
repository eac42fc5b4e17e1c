"""A check as metrics, for node_exporter's textfile collector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from torchrack.drift.history import History
from torchrack.drift.verdict import verdict
from torchrack.drift.waivers import Waived

_HELP = {
    "torchrack_drift_findings": "findings of the last check that nobody has waived, by host",
    "torchrack_drift_waived_findings": "findings of the last check that somebody answers for",
    "torchrack_drift_hosts": "hosts of the last check",
    "torchrack_drift_unchecked_hosts": "hosts of which something could not be checked",
    "torchrack_drift_seconds": "how long the last check took, seconds",
    "torchrack_drift_last_check_timestamp_seconds": "when the last check ended",
    "torchrack_drift_last_whole_check_timestamp_seconds": "when the last check ended, if all could "
    "be checked; alert when this is older than 26 h or absent",
}


def render(checked: Waived, past: History) -> str:
    """Return the metrics in Prometheus's text format.

    Args:
        checked: the result of a check, with its waivers.
        past: earlier checks; the time of the last whole one outlives those that were not.
    """
    result = checked.result
    open_: Counter[tuple[str, str, str]] = Counter()
    waived: Counter[tuple[str, str, str]] = Counter()
    for one in result.findings:
        counts = waived if checked.waiver(one) else open_
        counts[one.host, one.kind, one.severity] += 1
    ended = result.finished.timestamp()
    unchecked = sum(host.checked != result.stages for host in result.hosts)
    samples: list[tuple[str, dict[str, str], float]] = [
        *_by_host("torchrack_drift_findings", open_),
        *_by_host("torchrack_drift_waived_findings", waived),
        ("torchrack_drift_hosts", {}, len(result.hosts)),
        ("torchrack_drift_unchecked_hosts", {}, unchecked),
        ("torchrack_drift_seconds", {}, (result.finished - result.started).total_seconds()),
        ("torchrack_drift_last_check_timestamp_seconds", {}, ended),
    ]
    whole = [check.started.timestamp() for check in past.checks if check.verdict != "incomplete"]
    if verdict(checked) != "incomplete":
        whole.append(ended)
    if whole:
        samples.append(("torchrack_drift_last_whole_check_timestamp_seconds", {}, max(whole)))
    lines = []
    for name, text in _HELP.items():
        own = [(labels, value) for sample, labels, value in samples if sample == name]
        if own:
            lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
        for labels, value in own:
            every = {"fleet": result.fleet, **labels}
            shown = ",".join(f'{key}="{_escaped(one)}"' for key, one in every.items())
            lines.append(f"{name}{{{shown}}} {value:.15g}")
    return "\n".join(lines) + "\n"


def _by_host(
    name: str, counts: Mapping[tuple[str, str, str], int]
) -> list[tuple[str, dict[str, str], float]]:
    return [
        (name, {"host": host, "class": kind, "severity": severity}, count)
        for (host, kind, severity), count in sorted(counts.items())
    ]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
