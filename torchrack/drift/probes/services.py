"""What people log in to, asked as they would: Jupyter and SSH of the workloads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torchrack.docker.client import BY_HAND
from torchrack.drift.model import Finding, Severity
from torchrack.drift.probes.subject import Subject
from torchrack.settings.workloads import Workload
from torchrack.workloads.workload import unit_name

_REFUSED = ("401", "403")


def jupyter(subject: Subject, workload: Workload, codes: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding where a Jupyter lets in whom it should not, or not whom it should.

    Args:
        subject: the host.
        workload: the workload.
        codes: HTTP status with the token, without one, and with a wrong one; "none": no answer.
    """
    known, without, wrong = codes
    if known != "200":
        yield _finding(
            subject,
            workload,
            "login",
            "Jupyter, asked with its token",
            values=("200", known),
            severity="outage",
            fix=f"sudo systemctl restart {unit_name(workload.name)}, and see its log: "
            f"{BY_HAND} logs --tail 50 {workload.name}",
        )
    for what, code in (("without a token", without), ("with a wrong token", wrong)):
        if code not in _REFUSED and code != "none":
            yield _finding(
                subject,
                workload,
                "open",
                f"Jupyter, asked {what}",
                values=("403", code),
                severity="security",
                fix=_elsewhere(workload),
            )
            return


def ssh(subject: Subject, workload: Workload, words: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding where a workload's SSH server is another one, or takes more than keys.

    Args:
        subject: the host.
        workload: the workload.
        words: whether it lets everybody in, fingerprint of the key in the container and of the
            one it shows, and the methods it offers; "none" for what there is not.

    Raises:
        ValueError: other words.
    """
    everybody, own, shown, methods = words
    if shown == "none":
        yield _finding(
            subject,
            workload,
            "login",
            f"The SSH server of {workload.name}",
            values=("a host key", "no answer"),
            severity="outage",
            fix=f"sudo systemctl restart {unit_name(workload.name)}, and see its log: "
            f"{BY_HAND} logs --tail 50 {workload.name}",
        )
        return
    if own not in ("none", shown):
        yield _finding(
            subject,
            workload,
            "host-key",
            f"The host key that the port of {workload.name} shows",
            values=(f"{own}, the container's", shown),
            severity="security",
            fix=_elsewhere(workload),
        )
    if everybody == "yes" or methods != "publickey":
        yield _finding(
            subject,
            workload,
            "logins",
            f"How the SSH server of {workload.name} lets people in",
            values=("publickey", "without any proof" if everybody == "yes" else methods),
            severity="security",
            fix=_elsewhere(workload),
        )


def _elsewhere(workload: Workload) -> str:
    restart = f"sudo systemctl restart {unit_name(workload.name)}"
    return f"see what answers on its port; if it is the container itself, {restart}"


def _finding(
    subject: Subject,
    workload: Workload,
    aspect: str,
    what: str,
    *,
    values: tuple[str, str],
    severity: Severity,
    fix: str,
) -> Finding:
    expected, actual = values
    return subject.finding(
        f"container:{workload.name}.{aspect}",
        what,
        expected=expected,
        actual=actual,
        fix=fix,
        severity=severity,
    )
