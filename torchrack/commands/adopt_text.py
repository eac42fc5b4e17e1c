"""What ``torchrack adopt`` shows: what is there, what is proposed, what a deploy would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from torchrack.adopt.ahead import Ahead
from torchrack.adopt.candidate import Place
from torchrack.adopt.found import Found
from torchrack.adopt.limits import to_size
from torchrack.adopt.run import Adopted
from torchrack.drift.model import Finding
from torchrack.driver import driver_packages
from torchrack.lock.file import shown
from torchrack.report import printable

SCHEMA = 1


def show(console: Console, made: Adopted, place: Place, *, settings: str, hosts: str) -> None:
    """Print everything, the proposal ready to be copied."""
    _section(console, f"What {place.name} runs")
    for what, there in facts(made.found):
        console.print(printable(f"  {what:<22}{there}"), soft_wrap=True)
    _section(console, f"For {shown(place.group.hosts_file)}")
    console.print(printable(hosts), soft_wrap=True)
    _section(console, f"For {shown(place.settings_file)}")
    console.print(printable(settings), soft_wrap=True)
    if made.overruled:
        _section(console, f"What {shown(place.inventory)} says otherwise, and what holds")
        _lines(console, made.overruled)
    if made.proposal.unexpressed:
        table = Table(title="What no setting says", title_justify="left", show_lines=True)
        for heading in ("What", "Found", "Why, or what comes of it"):
            table.add_column(heading, overflow="fold")
        for one in made.proposal.unexpressed:
            table.add_row(*map(printable, (one.what, one.found, one.reason)))
        console.print(table)
    if made.proposal.notes:
        _section(console, "What stays as it is")
        _lines(console, made.proposal.notes)
    if made.ahead is not None:
        _ahead(console, made.ahead)


def facts(found: Found) -> list[tuple[str, str]]:
    """Return what is there in pairs of a few words."""
    survey = found.facts.survey
    running = [one for one in found.containers if one["State"].get("Running")]
    gpus = found.gpus.gpus if found.gpus else ()
    drivers = sorted(set(driver_packages(dict(found.packages)).values()))
    shown_gpus = ", ".join(f"{gpu.name} ({gpu.uuid[:12]}...)" for gpu in gpus)
    pairs = [
        ("system", f"{survey.os} {survey.version}, {survey.architecture}, Linux {survey.kernel}"),
        ("machine", f"{found.cpus} CPUs, {found.memory / 2**30:.0f} GiB"),
        ("GPUs on the PCI bus", str(len(survey.gpus))),
        ("GPUs in nvidia-smi", shown_gpus or (found.gpus.message if found.gpus else "") or "none"),
        ("driver, loaded", str(found.module or "none")),
        ("driver, packages", ", ".join(drivers) or "none"),
        ("Docker", str(found.info.get("ServerVersion") or found.docker or "none")),
        ("Docker's data", str(found.info.get("DockerRootDir") or "-")),
        ("containers", f"{len(running)} running, {len(found.containers) - len(running)} not"),
    ]
    for one in running:
        image = found.images.get(str(one["Image"]), {})
        digest = next(iter(image.get("RepoDigests") or ()), "no digest of a registry")
        name = str(one["Name"]).removeprefix("/")
        pairs.append((f"  {name}", "; ".join([digest, *_shape(one)])))
    return pairs


def _shape(one: Mapping[str, Any]) -> list[str]:
    """A container's memory, ports and mounts, in a few words each."""
    host = one["HostConfig"]
    memory = host.get("Memory")
    ports = [
        f"{binding.get('HostIp') or '*'}:{binding['HostPort']}->{port}"
        for port, bindings in sorted((host.get("PortBindings") or {}).items())
        for binding in bindings or ()
    ]
    mounts = [
        f"{mount.get('Name') or mount['Source']}:{mount['Destination']}"
        for mount in one.get("Mounts") or ()
    ]
    words = [f"memory {to_size(memory)}" if memory else "no memory limit"]
    return words + [" ".join(["ports", *ports])] * bool(ports) + mounts


def as_data(made: Adopted, *, settings: str, hosts: str, written: Sequence[str]) -> dict[str, Any]:
    """Return everything as JSON has it.

    Args:
        made: what was found out.
        settings: the text of the settings file.
        hosts: the lines of the hosts file.
        written: the files that were written.
    """
    proposal, ahead = made.proposal, made.ahead
    return {
        "schema": SCHEMA,
        "facts": {what.strip(): there for what, there in facts(made.found)},
        "settings": settings,
        "hosts": hosts,
        "overruled": list(made.overruled),
        "problems": [asdict(one) for one in made.wrong],
        "unexpressed": [asdict(one) for one in proposal.unexpressed],
        "stays": list(proposal.notes),
        "ahead": None
        if ahead is None
        else {
            "problems": [asdict(one) for one in ahead.problems],
            "docker": ahead.docker,
            "stops": [_finding(one) | {"fix": one.fix} for one in ahead.stops],
            "changes": [_finding(one) for one in ahead.changes],
            "unknown": [asdict(one) for one in ahead.unknown],
        },
        "written": list(written),
    }


def _finding(one: Finding) -> dict[str, str]:
    return {
        "stage": one.stage,
        "what": one.what,
        "id": one.id,
        "expected": one.expected,
        "actual": one.actual,
    }


def _ahead(console: Console, ahead: Ahead) -> None:
    if ahead.problems:
        _section(console, "What keeps a deploy from beginning")
        _lines(console, [str(one).partition(": ")[2] for one in ahead.problems])
    if ahead.stops:
        _section(console, "Where a deploy would stop, unless an earlier stage of it mends that")
        _lines(console, [f"{one.what}: found {one.actual}. {one.fix}" for one in ahead.stops])
    if ahead.unknown:
        _section(console, "What can't be known yet")
        _lines(console, [str(one).partition(": ")[2] for one in ahead.unknown])
    if ahead.docker:
        _section(console, "Docker, at the next deploy")
        _lines(console, [ahead.docker])
    if ahead.changes:
        table = Table(title="What the next deploy would change", title_justify="left")
        for heading in ("Stage", "Change", "Now", "Then"):
            table.add_column(heading, overflow="fold")
        for one in ahead.changes:
            told = f"{one.what} ({one.id.partition('.')[2]})"
            table.add_row(*map(printable, (one.stage, told, one.actual, one.expected)))
        console.print(table)
    elif not (ahead.problems or ahead.stops or ahead.unknown):
        _section(console, "The next deploy would change nothing")


def _section(console: Console, title: str) -> None:
    console.print(Text(f"\n{title}", style="bold"))


def _lines(console: Console, sentences: Sequence[str]) -> None:
    for sentence in sentences:
        console.print(printable(f"  {sentence}"), soft_wrap=True)
