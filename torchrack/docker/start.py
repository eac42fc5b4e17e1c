"""Whether dockerd starts with a configuration, and still shows what it has. Pure.

Asked before anything is written: ``dockerd --validate`` knows neither the unit's flags nor what the
engine has in its data root.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torchrack.docker import flags as dockerd_flags
from torchrack.docker.daemon_json import Json, NotAnObjectError, merge, parse
from torchrack.docker.flags import Flag
from torchrack.docker.hidden import hidden
from torchrack.docker.unit import command_line
from torchrack.docker.version import major
from torchrack.errors import Problem
from torchrack.facts.docker import DAEMON_JSON, DaemonState

REMOVED = {
    "graph": 23,
    "cluster-store": 23,
    "cluster-advertise": 23,
    "cluster-store-opts": 23,
    "oom-score-adjust": 26,
    "api-cors-header": 28,
}
"""Options to the first engine that does not start with them (docs.docker.com/engine/deprecated)."""
_DRIVERS = {"aufs": 24, "overlay": 24, "devicemapper": 25}
"""Storage drivers to the first engine without them (the same page)."""
_LOG_OPTIONS = {
    "local": {"max-size", "max-file", "compress"},
    "json-file": {"max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex"}
    | {"tag"},
    "journald": {"labels", "labels-regex", "env", "env-regex", "tag"},
}
"""What each of our log drivers takes; dockerd does not start with any other (moby,
daemon/logger/*, ValidateLogOpt)."""
_LOG_ALL = {"mode", "max-buffer-size", "cache-disabled", "cache-max-size", "cache-max-file"}
_LOG_ALL |= {"cache-compress"}


def flags_of(now: DaemonState) -> tuple[Flag, ...]:
    """Return the flags of dockerd's next start; none where they are not known."""
    words = command_line(now.units, now.environment, now.command)
    return dockerd_flags.parse(words or ())


def after_merge(now: DaemonState, owner: str, declared: Json) -> Json:
    """Return daemon.json as it will be with our keys in it.

    Args:
        now: the daemon and its file.
        owner: the stage that declares them.
        declared: the keys.

    Raises:
        NotAnObjectError: the file is not a JSON object.
    """
    record = record_of(now)
    others: Json = {}
    for name, keys in record.items():
        others = others if name == owner else merge(others, keys, {})
    return merge(parse(now.daemon_json or ""), declared, record.get(owner, {}), others)


def record_of(now: DaemonState) -> dict[str, Json]:
    """Our record of ownership; without a readable one nothing counts as ours, nothing is lost."""
    try:
        record = parse(now.owned or "")
    except ValueError:
        return {}
    return {name: keys for name, keys in record.items() if isinstance(keys, dict)}


def obstacles(host: str, now: DaemonState, config: Json, version: str = "") -> list[Problem]:
    """Return why dockerd must not be started with a configuration.

    Args:
        host: the host's name.
        now: the daemon as it is.
        config: daemon.json as it will be.
        version: of the engine that will read it, as packages name it; empty: the running one.
    """
    given = flags_of(now)
    effective = {**config, **dockerd_flags.as_config(given)}
    engine = major(version) or major(now.engine.version if now.engine else "")
    return [
        Problem(host, what, found, needed, fix)
        for what, found, needed, fix in (
            *_flags(given, config, now),
            *_swarm(now, effective),
            *_refused(now, given, effective, engine),
            *hidden(now, effective, engine),
        )
    ]


def _flags(
    given: tuple[Flag, ...], config: Json, now: DaemonState
) -> Iterator[tuple[str, str, str, str]]:
    twice = dockerd_flags.repeated(given, config)
    if twice:
        there = dockerd_flags.repeated(given, _file(now))
        named = "; ".join(
            dict.fromkeys(
                f"{f.text} in {f.where}, and {k} in "
                + (DAEMON_JSON if f in there else f"what a deploy writes to {DAEMON_JSON}")
                for f, k in twice.items()
            )
        )
        yield (
            "Docker flags",
            named,
            "each option in one place: dockerd does not start with a flag that its file repeats",
            _one_place(given, twice),
        )
    for flag in given:
        if flag.key == "config-file" and flag.value != DAEMON_JSON:
            yield (
                "Docker flags",
                f"{flag.text} {flag.value} in {flag.where}",
                f"a dockerd that reads {DAEMON_JSON}",
                f"bring what is in {flag.value} into {DAEMON_JSON}, take the flag out of "
                f"{flag.where}, then: sudo systemctl daemon-reload",
            )


def _file(now: DaemonState) -> Json:
    try:
        return parse(now.daemon_json or "")
    except NotAnObjectError:  # a problem of its own
        return {}


def _one_place(given: tuple[Flag, ...], twice: dict[Flag, str]) -> str:
    """What a person does: the package's unit stays as it is, other files lose the flag."""
    packaged = {f: k for f, k in twice.items() if f.where.startswith(("/usr/lib/", "/lib/"))}
    steps = []
    if packaged:
        steps.append(f"take {', '.join(dict.fromkeys(packaged.values()))} out of {DAEMON_JSON}")
    flags = [flag for flag in twice if flag not in packaged]
    for where in dict.fromkeys(flag.where for flag in flags):
        texts = dict.fromkeys(flag.text for flag in flags if flag.where == where)
        kept = dict.fromkeys(f.text for f in given if f.where == where and f not in twice)
        stays = f" (leave {', '.join(kept)} there)" if kept else ""
        steps.append(f"take {', '.join(texts)} out of {where}{stays}")
    if flags:
        steps.append("then sudo systemctl daemon-reload, without a restart of Docker")
    return ", ".join(steps)


def _swarm(now: DaemonState, effective: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    state = now.engine.swarm if now.engine else "active" * any(r.swarm for r in now.roots)
    if state not in ("", "inactive") and effective.get("live-restore") is True:
        yield (
            "Docker swarm",
            f"this host is a node of a swarm (state: {state})",
            "no live-restore, with which dockerd does not start in a swarm",
            "set docker.live_restore = False for this host (a restart of Docker then ends its "
            "containers, and starts those again that have a restart policy), or have the swarm's "
            "owner take the host out of the swarm",
        )


def _refused(
    now: DaemonState, given: tuple[Flag, ...], effective: Mapping[str, Any], engine: int
) -> Iterator[tuple[str, str, str, str]]:
    if effective.get("icc") is False:
        off = [key for key in ("iptables",) if effective.get(key) is False]
        off += ["ip6tables"] if engine >= 27 and effective.get("ip6tables") is False else []
        if off:
            yield (
                "Docker configuration",
                f"{' and '.join(off)} is false, and icc too",
                "one of them true: dockerd does not start otherwise",
                'set docker.extra = {"icc": True} for this host, or have Docker make its rules '
                f"again ({', '.join(off)}) where the host's owner agrees",
            )
    driver, options = effective.get("log-driver"), effective.get("log-opts")
    if driver in _LOG_OPTIONS and isinstance(options, Mapping):
        wrong = sorted(options.keys() - _LOG_OPTIONS[driver] - _LOG_ALL)
        if wrong:
            yield (
                "Docker configuration",
                f"log-opts {', '.join(wrong)} of another log driver",
                f"options of {driver} alone: dockerd does not start otherwise",
                f"take {', '.join(wrong)} out of log-opts in {DAEMON_JSON}, or set "
                "docker.log_driver to a driver that has them",
            )
    names = {flag.text.lstrip("-") for flag in given} | effective.keys()
    names = {"graph" if name == "g" else name for name in names}
    gone = sorted(name for name, first in REMOVED.items() if name in names and engine >= first)
    if gone:
        yield (
            "Docker configuration",
            f"the option {', '.join(gone)}",
            f"options that Docker {engine} has: it does not start otherwise",
            "use data-root with the same folder in place of graph; take the others out",
        )
    used = now.engine.driver if now.engine else ""
    if engine >= _DRIVERS.get(used, engine + 1):
        yield (
            "Docker storage",
            f"the storage driver {used}",
            f"one that Docker {engine} has: it does not start otherwise",
            "have its owner save images and volumes and set the engine up with overlay2; or keep "
            "the engine as it is, without Torchrack's stage docker",
        )
