"""Settings made exact by a lock, or the reasons why that lock is not for this host."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from torchrack.docker.engine import ENGINES
from torchrack.errors import Problem
from torchrack.facts.survey import Survey
from torchrack.lock.asked import asked_of, tagged
from torchrack.lock.model import Found, Group, Lock
from torchrack.preflight.facts import HostFacts
from torchrack.settings.model import Settings


def problems(
    lock: Lock | None, host: str, settings: Settings, *, file: str, command: str
) -> list[Problem]:
    """Return why a lock does not fit a host's settings; empty where it does. Asks no host.

    Args:
        lock: the fleet's lock; None: there is no file.
        host: the host's name.
        settings: its settings, as the inventory says them.
        file: the lock file, for messages.
        command: what makes the lock anew.
    """
    fix = f"run {command}, and review what it changes in {file}"
    if lock is None:
        return [Problem(file, "Lock", "no such file", "what this fleet is to run, exactly", fix)]
    group = lock.group(host)
    if group is None:
        return [Problem(host, "Lock", f"not in {file}", "an entry for each host", fix)]
    asked = asked_of(settings)
    changed = [
        Problem(
            host,
            f"Lock: {name}",
            f"made for {group.asked.get(name, 'auto')!r}",
            f"{asked.get(name, 'auto')!r}, which the settings say now",
            fix,
        )
        for name in sorted(asked.keys() | group.asked.keys())
        if asked.get(name) != group.asked.get(name)
    ]
    missing = [ref for ref in tagged(settings) if ref not in lock.images]
    return changed + [
        Problem(host, f"Lock: image {ref}", f"not in {file}", "its digest", fix) for ref in missing
    ]


def found_of(facts: HostFacts) -> Found:
    """Return what a host is, as a lock keeps it."""
    survey = facts.survey
    return Found(
        os=survey.distribution,
        machine=survey.architecture,
        gpus=gpus_of(survey),
        nvswitches=len(survey.nvswitches),
        secure_boot=facts.secure_boot,
        dkms_key_enrolled=facts.dkms_key_enrolled,
    )


def gpus_of(survey: Survey) -> dict[str, int]:
    """Return the GPUs of a host as a lock counts them: PCI id to how many."""
    counted = Counter(f"10de:{function.device}" for function in survey.gpus)
    return dict(sorted(counted.items()))


def changes(group: Group, now: Found, host: str, *, command: str) -> list[Problem]:
    """Return what of a host is not as it was when its entry was made.

    Args:
        group: its group in the lock.
        now: what it is.
        host: its name.
        command: what makes the lock anew.
    """
    then = group.found
    return [
        Problem(
            host,
            f"Lock: {what}",
            _text(getattr(now, field)),
            f"{_text(getattr(then, field))}, for which the lock was made",
            f"mend the host if that is a fault of its hardware; else run {command}",
        )
        for field, what in _NAMES.items()
        if getattr(now, field) != getattr(then, field)
    ]


_NAMES = {
    "os": "operating system",
    "machine": "architecture",
    "gpus": "GPUs on the PCI bus",
    "nvswitches": "NVSwitches on the PCI bus",
    "secure_boot": "Secure Boot",
    "dkms_key_enrolled": "the firmware knows the key of DKMS",
}


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{count} x {device}" for device, count in value.items()) or "none"
    if value is None:
        return "not known"
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def exact(settings: Settings, lock: Lock, group: Group) -> Settings:
    """Return settings in which nothing is left open.

    Args:
        settings: the host's settings, for which the lock has no problem.
        lock: the lock.
        group: the host's group in it.
    """
    docker = settings.docker
    return replace(
        settings,
        driver=settings.driver.changed(version=group.driver.version, flavour=group.driver.flavour),
        docker=docker.changed(
            version=upstream(group.packages[ENGINES[docker.source]]),
            containerd_version=group.packages.get("containerd.io", docker.containerd_version),
        ),
        toolkit=settings.toolkit.changed(version=group.packages["nvidia-container-toolkit"]),
        images=settings.images.changed(
            catalog={
                name: ref if "@" in ref else f"{ref}@{lock.images[ref].digest}"
                for name, ref in settings.images.catalog.items()
            }
        ),
    )


def upstream(version: str) -> str:
    """Return a pattern for the packages of one release, whose Debian revisions can differ.

    "26.1.5+dfsg1-9+b8" is "26.1.5*".
    """
    match = re.match(r"(\d+:)?\d+(\.\d+)*", version)
    return f"{match[0]}*" if match else version
