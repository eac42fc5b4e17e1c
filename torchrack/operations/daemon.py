"""daemon.json merged key by key, and a daemon that runs with it."""

from __future__ import annotations

import shlex

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.connect import INSTALL_TIMEOUT
from torchrack.difference import differs
from torchrack.docker.daemon_json import Json, NotAnObjectError, dump, merge, parse
from torchrack.docker.daemon_step import has_taken, next_step
from torchrack.docker.flags import as_config
from torchrack.docker.start import after_merge, flags_of, obstacles, record_of
from torchrack.docker.unit import command_line
from torchrack.errors import HostError, Problem
from torchrack.facts.docker import DAEMON_JSON, OWNED, TAKEN, Daemon, DaemonState
from torchrack.facts.gather import gather
from torchrack.operations import files
from torchrack.operations.guard import Commands, operation

_VALIDATE = (
    "if command -v dockerd >/dev/null; then dockerd --validate --config-file {} >/dev/null; fi"
)


@operation
def daemon_json(*, owner: str, declared: Json) -> Commands:
    """Make daemon.json hold our keys, and leave all others as they are.

    Args:
        owner: the stage that declares them; what it declared before and does no longer goes.
        declared: the keys, to their innermost level.
    """
    root = declared.get("data-root")
    now = gather(Daemon, root=root) if isinstance(root, str) else gather(Daemon)
    current = _current(now)
    record = record_of(now)
    owned = record.get(owner, {})
    merged = after_merge(now, owner, declared)
    final = record | {owner: declared}
    _refuse(now, merged)
    if merged == current and final == record and _is_sound(now):
        host.noop(f"{DAEMON_JSON} holds our keys")
        return
    _tell(merged != current, final != record, now)
    if now.load != "not-found":
        # What the daemon runs with now, as far as that is certain: the next step is judged by it.
        # A failure goes back to it in any case.
        remember = files.render("docker/remember.sh.j2", certain=has_taken(now), **_paths(now))
        yield StringCommand(remember)
    # Both the old and the new keys are ours until the file has changed: a killed run loses none.
    interim = record | {owner: merge(owned, declared, {})}
    yield from files.put._inner(dest=OWNED, content=dump(interim), mode="0600")
    if merged != current or not _is_sound(now):
        yield from files.put._inner(
            dest=DAEMON_JSON, content=dump(merged), mode=_mode(now), validate=_VALIDATE
        )
    if final != interim:
        yield from files.put._inner(dest=OWNED, content=dump(final), mode="0600")


@operation
def running() -> Commands:
    """Make Docker run, at boot too, with the daemon.json that is on disk.

    A reload is enough for some keys. Before a restart live-restore is reloaded where it is new, so
    that containers live through this restart already. A daemon that does not start with a changed
    file gets the file of before back, or its absence, and takes over the containers that still run.
    A restart that would hide the engine's data, or can't work, is refused before anything stops.
    """
    now = gather(Daemon)
    if now.load == "not-found":
        raise HostError(
            Problem(
                where=host.name,
                what="docker.service",
                found="no such unit",
                needed="the unit, which the engine's package brings",
                fix="run the stage docker; if it stays away, look at the package's installation",
            )
        )
    step = next_step(now)
    config = _current(now)
    if step != "none":
        differs("unit:docker.service", step, expected="its daemon.json", actual=now.active)
    _refuse(now, config)
    enable = now.enabled not in ("enabled", "enabled-runtime")
    if step == "none" and not enable:
        host.noop("Docker runs with the configuration that is on disk")
        return
    if enable:
        differs("unit:docker.service", "enabled", expected="enabled", actual=now.enabled)
    script = files.render(
        "docker/apply.sh.j2",
        step=step,
        enable=enable,
        validate=_validate(now),
        live_restore=_lives_on(now, config),
        **_way_back(now),
        **_paths(now),
    )
    yield StringCommand(script, _timeout=INSTALL_TIMEOUT)


def _tell(content: bool, ownership: bool, now: DaemonState) -> None:
    """Say what is not as declared, for reports; values of foreign keys are nobody's business."""
    if content:
        actual = "no such file" if now.daemon_json is None else "other values"
        differs(f"file:{DAEMON_JSON}", "content", expected="our keys", actual=actual)
    if not _is_sound(now):
        expected = "root alone may write it"
        differs(f"file:{DAEMON_JSON}", "mode", expected=expected, actual=now.mode)
    if ownership:
        expected = "the keys that are ours"
        differs(f"file:{OWNED}", "content", expected=expected, actual="another record")


def _paths(now: DaemonState) -> dict[str, str]:
    return {"daemon_json": DAEMON_JSON, "owned": OWNED, "taken": TAKEN, "process": now.process}


def _current(now: DaemonState) -> Json:
    try:
        return parse(now.daemon_json or "")
    except NotAnObjectError as error:
        raise HostError(
            Problem(
                where=host.name,
                what=DAEMON_JSON,
                found=str(error),
                needed="a JSON object, to merge our keys into",
                fix="correct the file by hand, or move it away to start from an empty one; it was "
                "not touched",
            )
        ) from None


def _refuse(now: DaemonState, config: Json) -> None:
    """Stop the host where dockerd would not start with a configuration, or would hide its data."""
    for problem in obstacles(host.name, now, config):
        raise HostError(problem)


def _validate(now: DaemonState) -> str:
    """The command that has dockerd itself look at its flags and its file; empty: no flags known."""
    words = command_line(now.units, now.environment, now.command)
    return shlex.join(["dockerd", "--validate", *(word for word, _ in words)]) if words else ""


def _lives_on(now: DaemonState, config: Json) -> bool:
    return {**config, **as_config(flags_of(now))}.get("live-restore") is True


def _way_back(now: DaemonState) -> dict[str, str]:
    """The file of before with live-restore, and with it off; empty where the file has it.

    Containers that were kept alive for a restart are ended by a daemon without live-restore.
    """
    old = now.before if now.taken is None else now.taken
    try:
        config = parse(old or "")
    except NotAnObjectError:
        config = {}
    if old is None or _lives_on(now, config):
        return {"kept": "", "released": ""}
    on, off = ({**config, "live-restore": value} for value in (True, False))
    return {"kept": dump(on), "released": dump(off)}


def _is_sound(now: DaemonState) -> bool:
    """Whether only root may write the file, or there is none yet."""
    if now.daemon_json is None:
        return True
    bits, owner = now.mode.split()
    return owner == "root" and not int(bits, 8) & 0o022


def _mode(now: DaemonState) -> str:
    """The file's own permissions, as far as they are sound."""
    if now.daemon_json is None or not _is_sound(now):
        return "0644"
    return now.mode.split()[0].rjust(4, "0")
