"""Who could become root, beside those whom the deploy names."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from torchrack.base.public_keys import key_of
from torchrack.drift.model import Finding
from torchrack.drift.probes.subject import Subject
from torchrack.sshd.take_out import take_out

OURS = "90-torchrack"
"""The file of /etc/sudoers.d that the stage base writes."""


def judge(lines: list[str], subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each right that nobody declared.

    Args:
        lines: "root NAME" (uid 0), "docker NAME" (in the group), "sudoers FILE", "login NAME"
            (the account of this check), "key NAME FILE LINE" for each authorized key, "source
            OPTION VALUE" for what else sshd takes keys from, "set FILE:NUMBER:TEXT" for the lines
            that say so, "sshd silent" where it did not say.
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
            yield _finding(subject, f"account:{name}.uid", f"{name} has uid 0", _remove(name))
        elif kind == "docker" and name not in allowed.docker_group:
            found, fix = f"{name} is in the group docker", f"gpasswd -d {name} docker"
            yield _finding(
                subject, f"account:{name}.docker", found, f"{fix}, or drift.docker_group"
            )
        elif kind == "sudoers" and name not in (OURS, *allowed.sudoers):
            # sudo passes over names with a dot: the rule can be had back.
            found = f"/etc/sudoers.d/{name}"
            fix = f"mv {found} {found}.disabled, or drift.sudoers"
            yield _finding(subject, f"sudoers:{name}", found, fix)
        elif kind == "sshd":
            yield subject.unknown("accounts-keys", "Where sshd takes keys from", "sshd -T failed")
        elif kind == "source" and name.partition(" ")[2] not in allowed.key_sources:
            option, _, value = name.partition(" ")
            found = f"sshd takes keys from {value} ({option})"
            lines_set = [at for word, at in told if word == "set" and _option(at) == option]
            fix = take_out(lines_set) or f"grep -ri {option} /etc/ssh, and remove it"
            yield _finding(subject, f"sshd:{option}.value", found, f"{fix}, or drift.key_sources")
    yield from _keys([name.split(" ", 2) for kind, name in told if kind == "key"], told, subject)


def _remove(name: str) -> str:
    # Processes of root's are taken for this account's, which userdel would not remove then.
    return f"userdel -f {shlex.quote(name)}"


def _option(place: str) -> str:
    return place.split(":", 2)[2].split(maxsplit=1)[0].lower()


def _keys(found: list[list[str]], told: list[list[str]], subject: Subject) -> Iterator[Finding]:
    """Yield a finding for each account with keys that neither the deploy nor the settings name."""
    allowed, base = subject.settings.drift, subject.settings.base
    deployers = {name for kind, name in told if kind == "login"} | {base.deploy_user}
    everywhere = {key_of(key) for key in allowed.authorized_keys}
    declared = everywhere | {key_of(key) for key in (*base.authorized_keys, *subject.own_keys)}
    strange: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for account, path, line in found:
        key = key_of(line)
        known = (*allowed.key_accounts, subject.first_login)
        if account in known or (account == "root" and allowed.root_keys):
            continue
        if key is not None and key not in (declared if account in deployers else everywhere):
            comment = line.partition(key[1])[2].strip()[:40]
            strange.setdefault((account, path), []).append((key[1], comment or key[1][-12:]))
    for (account, path), keys in strange.items():
        # root's file is told by its path, as it was before other accounts were looked at.
        name = f"file:{path}.keys" if account == "root" else f"account:{account}.keys"
        marks = ", ".join(mark for _, mark in keys[:3]) + (", ..." if len(keys) > 3 else "")
        setting = "drift.root_keys=True" if account == "root" else "drift.authorized_keys"
        deletions = ";".join(f"\\|{text[-40:]}|d" for text, _ in keys)
        found_keys = f"{len(keys)} key(s) in {path}: {marks}"
        yield _finding(subject, name, found_keys, f"sed -i '{deletions}' {path}, or {setting}")


def _finding(subject: Subject, name: str, found: str, fix: str) -> Finding:
    return subject.finding(
        name,
        "A way to become root that nobody declared",
        expected="those alone whom base.deploy_user and its like name",
        actual=found,
        fix=f"sudo {fix.removeprefix('sudo ')}",
        severity="security",
    )
