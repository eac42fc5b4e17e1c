"""A check as JUnit XML: a suite a host, a case a stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from junitparser.junitparser import FinalResult

from torchrack.drift.history import Seen
from torchrack.drift.model import Finding, HostResult
from torchrack.drift.waivers import Waived


def render(checked: Waived, _seen: Mapping[tuple[str, str], Seen]) -> str:
    """Return the XML; a finding is a failure, what could not be checked an error.

    Args:
        checked: the result of a check, with its waivers.
    """
    result = checked.result
    report = JUnitXml(name=f"torchrack drift {result.fleet}")
    for host in result.hosts:
        report.add_testsuite(_suite(checked, host))
    if result.fleet_findings:
        suite = TestSuite("-")
        suite.add_testcase(_case(checked, "-", "waivers", result.fleet_findings, whole=True))
        report.add_testsuite(suite)
    report.update_statistics()
    text: bytes = report.tostring()
    return text.decode() + "\n"


def _suite(checked: Waived, host: HostResult) -> TestSuite:
    suite = TestSuite(host.name)
    for stage in checked.result.stages:
        found = [one for one in host.findings if one.stage == stage]
        suite.add_testcase(_case(checked, host.name, stage, found, whole=stage in host.checked))
    return suite


def _case(
    checked: Waived, host: str, stage: str, found: Sequence[Finding], *, whole: bool
) -> TestCase:
    case = TestCase(stage, classname=f"drift.{host}")
    results: list[FinalResult] = []
    for one in found:
        text = f"{one.what}: expected {one.expected}, found {one.actual}. What mends it: {one.fix}"
        waiver = checked.waiver(one)
        if waiver:
            results.append(Skipped(f"{one.id}: waived by {waiver.owner}, {waiver.reason}"))
        else:
            kind = Error if one.kind in ("unknown", "unreachable") else Failure
            results.append(kind(f"{one.id}: {text}", one.severity))
    if not whole and not any(isinstance(one, Error) for one in results):
        results.append(Error("not checked: the host gave no answer", "unknown"))
    case.result = results
    return case
