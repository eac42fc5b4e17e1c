"""Whether the knowledge tables agree with each other and with the table of GPUs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from torchrack import gpus
from torchrack.knowledge.rows import Sourced
from torchrack.knowledge.tables import Knowledge
from torchrack.knowledge.versions import numbers


def problems(knowledge: Knowledge) -> list[str]:
    """Return what is wrong with the tables, a sentence each; empty when they are consistent."""
    checks = (
        _sources,
        _branches,
        _cuda,
        _capabilities,
        _gpus,
        _chips,
        _torch,
        _channels,
        _components,
    )
    return [problem for check in checks for problem in check(knowledge)]


def unchecked(known: Knowledge) -> list[str]:
    """Return the rows that were not compared with their source in all they say, by table."""
    return [
        f"{table}: {list(row)[2][1]}"
        for table, rows in _sourced(known).items()
        for row in rows
        if not row.checked
    ]


def _sourced(known: Knowledge) -> dict[str, list[Sourced]]:
    return {
        "rules": list(known.rules.values()),
        "branches": list(known.branches.values()),
        "majors": list(known.majors.values()),
        "toolkits": list(known.cuda.values()),
        "capabilities": list(known.capabilities.values()),
        "chips": list(known.chips.values()),
        "releases": list(known.releases.values()),
        "channels": list(known.channels.values()),
        "transitional": list(known.transitional),
        "container_toolkits": list(known.toolkits.values()),
        "driver_names": list(known.driver_names),
        "dcgm": list(known.dcgm),
        "fabric_managers": list(known.fabric_managers),
    }


def _sources(known: Knowledge) -> Iterator[str]:
    named = {row["source"] for row in gpus.ARCHITECTURES.values()}
    named |= {row.versions_source for row in known.branches.values() if row.versions_source}
    for table, rows in _sourced(known).items():
        for row in rows:
            named.add(row.source)
            if row.source not in known.sources:
                yield f"{table}: source {row.source!r} is not in sources"
    for name in sorted(named - known.sources.keys()):
        yield f"sources: {name!r} is named and not there"
    for name in known.sources.keys() - named:
        yield f"sources: no row names {name!r}"


def _branches(known: Knowledge) -> Iterator[str]:
    previous: tuple[int, ...] = ()
    for number, row in sorted(known.branches.items()):
        for version in row.versions:
            if numbers(version)[0] != number:
                yield f"branches: version {version} stands in branch {number}"
        if list(row.versions) != sorted(row.versions, key=numbers):
            yield f"branches: the versions of {number} are not in order, oldest first"
        if row.ended and row.eol:
            yield f"branches: {number} has an end of life and is called ended"
        if row.cuda:
            if numbers(row.cuda) < previous:
                yield f"branches: {number} ships with an older CUDA than the branch before it"
            previous = numbers(row.cuda)
            major = known.majors.get(previous[0])
            if major is None or major.floor > number:
                yield f"branches: {number} ships with CUDA {row.cuda}, below that CUDA's floor"


def _cuda(known: Knowledge) -> Iterator[str]:
    for version, row in known.cuda.items():
        major = known.majors.get(numbers(version)[0])
        if major is None:
            yield f"toolkits: CUDA {version} has no row in majors"
        elif row.driver and numbers(row.driver)[0] < major.floor:
            yield f"toolkits: CUDA {version} came with {row.driver}, below its floor {major.floor}"
        if row.driver and numbers(row.driver)[0] not in known.branches:
            yield f"toolkits: CUDA {version} came with {row.driver}: no such branch in branches"
    for major_row in known.majors.values():
        if major_row.floor not in known.branches:
            yield f"majors: the floor of CUDA {major_row.major} is in no row of branches"


def _capabilities(known: Knowledge) -> Iterator[str]:
    for name, row in known.capabilities.items():
        for version in (row.first, row.last):
            if version and version not in known.cuda:
                yield f"capabilities: {name} names CUDA {version}, which is not in toolkits"
        if row.first and row.last and numbers(row.first) > numbers(row.last):
            yield f"capabilities: {name} ends before it begins"


def _gpus(known: Knowledge) -> Iterator[str]:
    for device, (chip, _) in known.gpus.items():
        if chip[:2] not in gpus.ARCHITECTURES:
            yield f"gpus: {device}: the chip {chip} belongs to no architecture"


def _chips(known: Knowledge) -> Iterator[str]:
    own = [known.gpu(d) for d, (chip, _) in known.gpus.items() if chip[:2] in gpus.ARCHITECTURES]
    for gpu in (*gpus.all_gpus(), *filter(None, own)):
        if known.chip(gpu) is None:
            yield f"chips: no row for {gpu.chip} ({gpu.device}, {gpu.product})"
    for name, row in known.chips.items():
        if name[:2] not in gpus.ARCHITECTURES:
            yield f"chips: {name} belongs to no architecture"
        if row.capability and row.capability not in known.capabilities:
            yield f"chips: {name} has capability {row.capability}, which is not in capabilities"
        for pattern in row.mig:
            try:
                re.compile(pattern)
            except re.error as error:
                yield f"chips: {name}: mig {pattern!r} is no regular expression: {error}"


def _torch(known: Knowledge) -> Iterator[str]:
    for name, release in known.releases.items():
        seen: set[str] = set()
        for build in release.builds:
            where = f"releases: {name} with CUDA {build.cuda}"
            if build.cuda not in known.cuda:
                yield f"{where}: that CUDA is not in toolkits"
            if build.cuda in seen:
                yield f"{where} stands there twice"
            seen.add(build.cuda)
            for coverage in (build.amd64, build.arm64):
                if coverage is not None and coverage not in known.sets:
                    yield f"{where}: {coverage!r} is not in sets"
                    continue
                for capability in known.sets[coverage] if coverage else ():
                    yield from _buildable(known, where, capability, build.cuda)


def _buildable(known: Knowledge, where: str, capability: str, cuda: str) -> Iterator[str]:
    row = known.capabilities.get(capability)
    if row is None:
        yield f"{where}: capability {capability} is not in capabilities"
        return
    before = row.first is not None and numbers(cuda) < numbers(row.first)
    after = row.last is not None and numbers(cuda) > numbers(row.last)
    if before or after:
        yield f"{where}: claims code for {capability}, which that CUDA can't build"


def _channels(known: Knowledge) -> Iterator[str]:
    for name, row in known.channels.items():
        for branch in row.branches:
            if branch not in known.branches:
                yield f"channels: {name} has branch {branch}, which is not in branches"
        if "signed" in row.modules and not row.kernels:
            yield f"channels: {name} has signed modules, for no kernel"
        if not any(one.channel == name for one in known.fabric_managers):
            yield f"fabric_managers: no package for {name}"
        named = {(one.family, one.modules) for one in known.driver_names if one.channel == name}
        for family in {system.rstrip("0123456789") for system in row.systems}:
            for modules in row.modules:
                if (family, modules) not in named:
                    yield f"driver_names: no package in {name} for {family} ({modules})"
    for trap in known.transitional:
        channel = known.channels.get(trap.channel)
        if channel is None:
            yield f"transitional: {trap.channel} is no channel"
            continue
        if trap.branch in channel.branches:
            yield f"transitional: {trap.package} is a real branch of {trap.channel} too"
        if channel.branches and trap.becomes not in channel.branches:
            yield f"transitional: {trap.package} becomes {trap.becomes}, which is no branch there"


def _components(known: Knowledge) -> Iterator[str]:
    defaults = [name for name, row in known.toolkits.items() if row.default]
    if len(defaults) != 1:
        yield f"container_toolkits: one row is the default, found {len(defaults)}"
    lowest = min(known.branches)
    if not any(row.from_branch <= lowest for row in known.dcgm):
        yield f"dcgm: no package for branch {lowest}"
    for name in known.channels:
        rows = [row.from_branch for row in known.fabric_managers if row.channel == name]
        if rows and min(rows) > lowest:
            yield f"fabric_managers: no package in {name} for branch {lowest}"
