"""The engine that is there: its packages, and its daemon.json as settings. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from torchrack.adopt import mirrors
from torchrack.adopt.found import Found
from torchrack.adopt.model import Proposal
from torchrack.docker.daemon_json import Json, NotAnObjectError, parse
from torchrack.docker.engine import ENGINES, configuration
from torchrack.docker.flags import Flag, as_config, repeated
from torchrack.docker.hidden import base_root
from torchrack.docker.start import flags_of
from torchrack.docker.version import OLDEST, major
from torchrack.settings.docker import NOT_EXTRA, Docker

_LOG_DRIVERS = get_args(Docker.model_fields["log_driver"].annotation)
_OURS = {
    *("log-driver", "log-opts", "live-restore", "no-new-privileges", "default-address-pools"),
    *("default-ulimits", "userland-proxy", "icc", "features", "data-root"),
}
"""Keys that a setting stands for, or that are treated below."""


def propose(found: Found, proposal: Proposal) -> None:
    """Propose the section ``docker``."""
    if found.facts.foreign_docker:
        proposal.cannot(
            "Docker",
            ", ".join(found.facts.foreign_docker),
            "no Debian package owns it (snap, or copied there): a deploy is refused until it is "
            "disabled; its images and volumes have to be moved by hand",
        )
        return
    if not _packages(found, proposal):
        proposal.notes.append("no Docker is installed: a deploy brings it")
        return
    try:
        keys = parse(found.daemon_json or "")
    except NotAnObjectError as error:
        needed = "a deploy is refused until it is a JSON object"
        proposal.cannot("/etc/docker/daemon.json", str(error), needed)
        return
    given = flags_of(found.facts.daemon) if found.facts.daemon else ()
    effective = {**keys, **as_config(given)}
    _logs(effective, proposal)
    _limits(effective, found, proposal)
    _networks(keys, proposal)
    _rest(keys, effective, found, proposal)
    _flags(keys, given, proposal)


def _packages(found: Found, proposal: Proposal) -> bool:
    there = found.installed
    source = next((name for name, package in ENGINES.items() if package in there), None)
    if source is None:
        return False
    version = there[ENGINES[source]]
    if major(version) < OLDEST:
        proposal.cannot(
            "Docker engine",
            version,
            f"older than {OLDEST}, which is the first that knows CDI devices: a deploy needs "
            "a newer one",
        )
        proposal.say("docker", source=source)
        return True
    proposal.say("docker", "the one that is installed", source=source, version=version)
    if source == "docker-ce" and "containerd.io" in there:
        proposal.say("docker", containerd_version=there["containerd.io"])
    vendor = str(Docker.model_fields["repository"].default)
    base = mirrors.mirror(found, r"linux/(?:debian|ubuntu)\b", vendor)
    if source == "docker-ce" and base:
        mirrors.propose("docker", base, found, proposal)
    return True


def _logs(keys: Json, proposal: Proposal) -> None:
    driver = keys.get("log-driver", "json-file")
    if driver in _LOG_DRIVERS:
        proposal.say("docker", log_driver=driver)
    else:
        reason = f"the log drivers are {', '.join(_LOG_DRIVERS)}; a deploy changes it"
        proposal.cannot("log-driver", str(driver), reason)
    options = keys.get("log-opts") or {}
    if driver == "journald":
        return
    for key, name, read in (
        ("max-size", "log_max_size", str),
        ("max-file", "log_max_file", int),
    ):
        value = options.get(key)
        if value is None:
            default = Docker.model_fields[name].default
            reason = f"a deploy limits logs of new containers ({name}={default})"
            proposal.cannot(f"log-opts {key}", "none", reason)
        elif re.fullmatch(r"\d+[kmgKMG]?[bB]?", str(value)):
            proposal.sections["docker"][name] = read(value)


def _limits(keys: Json, found: Found, proposal: Proposal) -> None:
    if not found.swarm:
        proposal.say("docker", live_restore=keys.get("live-restore") is True)
    else:
        why = f"a node of a swarm ({found.swarm}) does not start with it"
        proposal.say("docker", live_restore=False)
        proposal.comments.setdefault("docker", {})["live_restore"] = why
    proposal.say("docker", no_new_privileges=keys.get("no-new-privileges") is True)
    nofile = (keys.get("default-ulimits") or {}).get("nofile") or {}
    soft, hard = nofile.get("Soft"), nofile.get("Hard")
    if isinstance(soft, int) and soft == hard and soft >= 1024:
        proposal.say("docker", nofile=soft)
    elif nofile or major(str(found.info.get("ServerVersion", "0"))) >= 29:
        default = Docker.model_fields["nofile"].default
        reason = f"a deploy sets one value for both ({default}), for new containers"
        proposal.cannot("default-ulimits nofile", f"{soft} soft, {hard} hard", reason)


def _networks(keys: Json, proposal: Proposal) -> None:
    pools = keys.get("default-address-pools")
    if not pools:
        return
    if all(isinstance(one, dict) and one.get("size") == 24 for one in pools):
        proposal.say("docker", address_pools=[str(one["base"]) for one in pools])
    else:
        proposal.notes.append("daemon.json's default-address-pools, which are no /24: they stay")


def _rest(keys: Json, effective: Json, found: Found, proposal: Proposal) -> None:
    # A deploy would turn these off; what containers rely on now goes on.
    extra: dict[str, Any] = {"icc": True} if effective.get("icc", True) is not False else {}
    if effective.get("userland-proxy", True) is not False:
        extra |= _proxy(effective, found, proposal)
    # What a flag sets stays there: dockerd does not start with a key that repeats it.
    root = effective.get("data-root") or base_root(found.info)
    if root and root != "/var/lib/docker" and effective.get("data-root") == keys.get("data-root"):
        extra["data-root"] = root
    if extra:
        proposal.say("docker", "as they are now; Torchrack's own choice is off", extra=extra)
    if not _is_on(keys.get("features"), "cdi"):
        proposal.cannot(
            "features.cdi",
            "not set",
            "a deploy sets it and restarts Docker: containers get their GPUs through CDI devices",
        )
    for key in sorted(NOT_EXTRA.keys() & keys.keys() - _OURS):
        proposal.cannot(f"daemon.json {key}", "set", NOT_EXTRA[key] + "; it stays in the file")
    others = sorted(keys.keys() - _OURS - NOT_EXTRA.keys())
    if others:
        proposal.notes.append(f"daemon.json's {', '.join(others)}: a deploy leaves them alone")


def _flags(keys: Json, given: Sequence[Flag], proposal: Proposal) -> None:
    """Say which flags are in the way of a deploy, and which stay as they are."""
    twice = repeated(given, {**keys, **configuration(Docker())})
    for flag, key in twice.items():
        proposal.cannot(
            f"dockerd {flag.text}",
            f"a flag in {flag.where}",
            f"a deploy sets {key} in daemon.json, and dockerd does not start with both: a deploy "
            "is refused until the flag is gone from there",
        )
    ordinary = {"hosts", "containerd"}
    others = {f: None for f in given if f not in twice and f.key not in ordinary}
    for flag in others:
        proposal.notes.append(f"dockerd's flag {flag.text} in {flag.where}: a deploy leaves it")


def _proxy(keys: Json, found: Found, proposal: Proposal) -> Json:
    """The userland proxy with its path: dockerd refuses to reload a file with the first alone.

    Seen with 26.1.5: "userland-proxy is enabled, but userland-proxy-path is not set". Without that
    reload it does not learn live-restore before it restarts, and containers end.
    """
    path = keys.get("userland-proxy-path") or found.proxy
    if path:
        return {"userland-proxy": True, "userland-proxy-path": path}
    reason = "its program was not found: a deploy turns it off"
    proposal.cannot("userland-proxy", "on", reason)
    return {}


def _is_on(features: object, name: str) -> bool:
    return isinstance(features, Mapping) and features.get(name) is True
