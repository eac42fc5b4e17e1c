"""daemon.json merged key by key, and a daemon that runs with it."""

from __future__ import annotations

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.connect import INSTALL_TIMEOUT
from torchrack.difference import differs
from torchrack.docker.daemon_json import Json, NotAnObjectError, dump, merge, parse
from torchrack.docker.daemon_step import has_taken, next_step
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
    now = gather(Daemon)
    current = _current(now)
    record = _record(now)
    owned = record.get(owner, {})
    others: Json = {}
    for name, keys in record.items():
        others = others if name == owner else merge(others, keys, {})
    merged = merge(current, declared, owned, others)
    final = record | {owner: declared}
    if merged == current and final == record and _is_sound(now):
        host.noop(f"{DAEMON_JSON} holds our keys")
        return
    _tell(merged != current, final != record, now)
    if has_taken(now):
        # What the daemon runs with now: the next step is judged by it, and a failure goes back.
        yield StringCommand(files.render("docker/remember.sh.j2", **_paths(now)))
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
    file gets the file back with which it ran.
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
    if step != "none":
        differs("unit:docker.service", step, expected="its daemon.json", actual=now.active)
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
        live_restore=_current(now).get("live-restore") is True,
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


def _record(now: DaemonState) -> dict[str, Json]:
    """Our record of ownership; without a readable one nothing counts as ours, nothing is lost."""
    try:
        record = parse(now.owned or "")
    except NotAnObjectError:
        return {}
    return {name: keys for name, keys in record.items() if isinstance(keys, dict)}


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
