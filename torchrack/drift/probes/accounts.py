"""Who could become root, beside those whom the deploy names."""

from __future__ import annotations

from collections.abc import Iterator

from torchrack.drift.model import Finding
from torchrack.drift.probes.subject import Subject

OURS = "90-torchrack"
"""The file of /etc/sudoers.d that the stage base writes."""


def judge(lines: list[str], subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each right that nobody declared.

    Args:
        lines: "root NAME" (uid 0), "docker NAME" (in the group), "sudoers FILE", and
            "rootkeys FILE COUNT".
        subject: the host.

    Raises:
        ValueError: root itself is not among them.
    """
    allowed = subject.settings.drift
    told = [line.split(" ", 1) for line in lines]
    if ["root", "root"] not in told:
        raise ValueError("no account root")
    for kind, name in told:
        if kind == "root" and name != "root":
            yield _finding(subject, f"account:{name}.uid", f"{name} has uid 0", f"userdel {name}")
        elif kind == "docker" and name not in allowed.docker_group:
            found, fix = f"{name} is in the group docker", f"gpasswd -d {name} docker"
            yield _finding(
                subject, f"account:{name}.docker", found, f"{fix}, or drift.docker_group"
            )
        elif kind == "sudoers" and name not in (OURS, *allowed.sudoers):
            found, fix = f"/etc/sudoers.d/{name}", f"rm /etc/sudoers.d/{name}, or drift.sudoers"
            yield _finding(subject, f"sudoers:{name}", found, fix)
        elif kind == "rootkeys" and not allowed.root_keys:
            path, _, count = name.rpartition(" ")
            if int(count):
                found, fix = f"{count} key(s) in {path}", f"rm {path}, or drift.root_keys=True"
                yield _finding(subject, f"file:{path}.keys", found, fix)


def _finding(subject: Subject, name: str, found: str, fix: str) -> Finding:
    return subject.finding(
        name,
        "A way to become root that nobody declared",
        expected="those alone whom base.deploy_user and its like name",
        actual=found,
        fix=f"sudo {fix}",
        severity="security",
    )
