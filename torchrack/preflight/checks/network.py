"""The mirrors and registries that a host must reach."""

from __future__ import annotations

import re
from collections.abc import Iterator

from torchrack.errors import Problem
from torchrack.preflight.checks.system import is_supported
from torchrack.preflight.facts import Reach
from torchrack.preflight.script import sources
from torchrack.preflight.subject import Subject

_APT_SOURCE = "apt source"


def reachable(subject: Subject) -> Iterator[Problem]:
    """Every mirror and registry answers this host, with a certificate that it will trust."""
    if not subject.settings.preflight.check_reachability or not is_supported(subject):
        return
    answered = {reach.name: reach for reach in subject.facts.reach if reach.name != _APT_SOURCE}
    own_ca = {source.name for source in sources(subject.settings) if source.ca_file}
    for source in sources(subject.settings):
        reach = answered.get(source.name)
        if reach is None:
            yield subject.problem(
                source.name.capitalize(), "no answer from the check", "an answer", "run again"
            )
        else:
            yield from _judge(subject, reach, source.name in own_ca)
    seen: set[str] = set()
    for reach in subject.facts.reach:
        if reach.name == _APT_SOURCE and reach.url not in seen:
            seen.add(reach.url)
            yield from _judge(subject, reach, False)


def _judge(subject: Subject, reach: Reach, own_ca: bool) -> Iterator[Problem]:
    words = _reason(reach.output)
    what = reach.name[0].upper() + reach.name[1:]
    if reach.status == 0:
        return
    if re.search(r"\b401\b", words) and reach.name.startswith("registry "):
        return  # it wants a login, which the images stage has
    if re.search(r"\b404\b", words):
        if reach.name != _APT_SOURCE:  # a host's own sources need not have the file we ask for
            yield subject.problem(
                what,
                f"{reach.url} is not there (404)",
                "a repository for this operating system and architecture",
                "correct the repository's base URI in the settings, or mirror what is missing",
            )
        return
    if re.search("certificate", words, re.IGNORECASE):
        # A bare host has no CAs at all; the base stage brings the public ones.
        if subject.facts.ca_bundle or own_ca or subject.settings.base.ca_certificates:
            yield subject.problem(
                what,
                f"{reach.url}: {words}",
                "a certificate that is valid and signed by a CA this host trusts",
                "add the CA to base.ca_certificates (or to the registry's ca_file)",
            )
        return
    yield subject.problem(
        what,
        f"{reach.url} can't be reached from this host: {words}",
        "an answer",
        "check its DNS, routes, firewall and apt's proxy, or correct the address in the settings",
    )


def _reason(output: str) -> str:
    """apt-helper's words about the failure, without its progress."""
    if not output.strip():
        return "no answer within 15 s"
    text = re.sub(r"\s+", " ", output)
    match = re.search(r"(?:Err:\d+ \S+|E: Failed to fetch \S+) (.*?)(?: [WE]: |$)", text)
    return (match[1] if match else text).strip()[:300]
