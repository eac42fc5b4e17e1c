"""The rules that Docker made for containers, and whether they are still there.

A flush of iptables, or a firewall that was loaded anew, takes them away; Docker does not notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from torchrack.drift.model import Finding, Severity
from torchrack.drift.probes.subject import Subject

_RESTART = "sudo systemctl restart docker.service, which makes its rules anew; containers go on"


def judge(lines: list[str], subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each rule that is missing, or that takes a workload's port away.

    Args:
        lines: whether packets are forwarded, our running containers ("up NAME"), and of
            ``iptables-save`` what concerns Docker and ports; "nftables" where Docker uses that.
        subject: the host.

    Raises:
        ValueError: nothing is said of forwarding.
    """
    words = [line.split() for line in lines]
    forwarding = [one[1] for one in words if one[0] == "forwarding"]
    if not forwarding:
        raise ValueError("no word of forwarding")
    extra = subject.settings.docker.extra
    if forwarding != ["1"] and extra.get("ip-forward") is not False:
        yield _finding(
            subject,
            "kernel:net.ipv4.ip_forward.value",
            "Forwarding of packets to containers",
            values=("1", forwarding[0]),
            severity="outage",
            fix="sudo sysctl -w net.ipv4.ip_forward=1, and see what else /etc/sysctl.d says",
        )
    if extra.get("iptables") is False or "nftables" in lines:
        return
    up = {one[1] for one in words if one[0] == "up"}
    rules = _rules(lines)
    yield from _own(subject, rules, bool(extra.get("icc", False)))
    yield from _ports(subject, rules, up)


def _rules(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Table and rule of each line of ``iptables-save``."""
    table, rules = "", []
    for line in lines:
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A "):
            rules.append((table, line))
    return rules


def _own(subject: Subject, rules: list[tuple[str, str]], icc: bool) -> Iterator[Finding]:
    """Docker's own chains, and the default bridge."""
    for table, chain in (("filter", "FORWARD"), ("nat", "PREROUTING")):
        wanted = re.compile(rf"-A {chain} .*-j DOCKER\S*$")
        if not any(where == table and wanted.match(rule) for where, rule in rules):
            yield _finding(
                subject,
                f"firewall:{table}.docker",
                f"Docker's rules in iptables' table {table}",
                values=(f"{chain} sends packets to Docker's chains", "no such rule"),
                severity="outage",
                fix=_RESTART,
            )
    apart = any(
        where == "filter" and rule.endswith("-i docker0 -o docker0 -j DROP")
        for where, rule in rules
    )
    if not (apart or icc):
        yield _finding(
            subject,
            "firewall:docker0.icc",
            "Containers on Docker's default bridge",
            values=("kept apart (icc is off)", "they reach each other"),
            severity="security",
            fix=_RESTART,
        )


def _ports(subject: Subject, rules: list[tuple[str, str]], up: set[str]) -> Iterator[Finding]:
    """The ports of workloads that run: led to their containers, and to nothing else."""
    proxied = subject.settings.docker.extra.get("userland-proxy") is True
    for workload in subject.settings.workloads.containers:
        for port in workload.ports:
            to_port = [r for t, r in rules if t == "nat" and f" --dport {port.host} " in f"{r} "]
            ours = [rule for rule in to_port if rule.startswith("-A DOCKER ")]
            by_rule = ":" not in port.address and not proxied
            if by_rule and workload.name in up and not ours:
                yield _finding(
                    subject,
                    f"container:{workload.name}.port-{port.host}",
                    f"Port {port.host} of {workload.name}",
                    values=("a rule that leads it into the container", "no such rule"),
                    severity="outage",
                    fix=_RESTART,
                )
            if others := [rule for rule in to_port if rule not in ours and _leads(rule)]:
                yield _finding(
                    subject,
                    f"firewall:port-{port.host}.redirect",
                    f"Port {port.host} of {workload.name}",
                    values=("led into the container", f"led elsewhere: {others[0]}"),
                    severity="security",
                    fix=f"sudo iptables -t nat -D {others[0].removeprefix('-A ')}",
                )


def _leads(rule: str) -> bool:
    return re.search(r" -j (REDIRECT|DNAT)\b", rule) is not None


def _finding(
    subject: Subject,
    name: str,
    what: str,
    *,
    values: tuple[str, str],
    severity: Severity,
    fix: str,
) -> Finding:
    expected, actual = values
    return subject.finding(name, what, expected=expected, actual=actual, fix=fix, severity=severity)
