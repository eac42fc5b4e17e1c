"""The hardened sshd: checked before it goes live, proven after, taken back when in doubt."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Sequence

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.difference import differs
from torchrack.errors import HostError, Problem
from torchrack.facts.gather import gather
from torchrack.facts.sshd import Exists, SshdCandidate, SshdHost, SshdState, SshdTrial
from torchrack.operations.files import put, read, render
from torchrack.operations.guard import Commands, operation
from torchrack.settings.sshd import Sshd
from torchrack.sshd import options as sshd
from torchrack.sshd.canary import ProveCanary
from torchrack.sshd.proof import ProveLogin
from torchrack.sshd.take_out import take_out

ROLLBACK = "/usr/local/lib/torchrack/sshd-rollback"
ROLLBACK_UNITS = "/etc/systemd/system/torchrack-sshd-rollback"

CLOUD = "/etc/cloud/cloud.cfg.d/99-torchrack.cfg"

_CLOCKS_DIFFER = 0.25
"""Seconds between the two readings of the clock that the fact compares, on a busy host."""

_ACTIVATE = """set -eu
umask 077
live={drop_in}
state=/var/lib/torchrack/sshd
[ -e /etc/issue.net ] || (umask 022; echo 'Authorised users only.' > /etc/issue.net)
[ -d "${{live%/*}}" ] || install -d -m 0755 -- "${{live%/*}}"
install -d -m 0700 -- "$state"
base64 -d > "$state/candidate"
sum=$(sha256sum < "$state/candidate")
[ "${{sum%% *}}" = {sha256} ] || {{ echo "upload of $live is incomplete" >&2; exit 1; }}
if [ "$(systemctl show -p NeedDaemonReload --value {units}.service)" = yes ] ||
        [ "$(systemctl show -p NeedDaemonReload --value {units}.timer)" = yes ]; then
    systemctl daemon-reload
fi
systemctl is-enabled --quiet {units}.service || systemctl -q enable {units}.service
# What an earlier run left unproven is no configuration to return to.
if [ ! -e "$state/armed" ]; then
    rm -f -- "$state/previous"
    [ ! -e "$live" ] || cp -a -- "$live" "$state/previous"
    sync -- "$state"
    : > "$state/armed"
fi
systemctl restart {units}.timer
chown root:root -- "$state/candidate"
install -m 0600 -- "$state/candidate" "$live.new"
mv -fT -- "$live.new" "$live"
rm -f -- "$state/candidate"
# Where systemd listens, a server that it handed its socket to can't reload: it tries to bind the
# port anew and dies (OpenSSH 10.0p1 in Debian). Told to go, it leaves sessions and socket alone,
# and the next connection starts one that reads the file.
if systemctl is-active --quiet ssh.socket; then
    systemctl stop ssh.service 2>&1
elif systemctl is-active --quiet ssh.service; then
    systemctl reload ssh.service || {{ systemctl start {units}.service; exit 1; }}
fi
"""

_DISARM = """set -eu
rm -f -- /var/lib/torchrack/sshd/armed
systemctl stop {units}.timer
"""


@operation
def hardened(*, settings: Sshd, users: Sequence[str]) -> Commands:
    """Make sshd use the hardened options, without ever locking the deploy user out.

    The candidate is asserted on ``sshd -T`` and proven by a login to a second sshd before it goes
    live. A timer on the host then returns to the configuration before it, unless a new login with
    sudo from here stops the timer.

    Args:
        settings: the host's settings.
        users: the accounts whose login is asserted and proven.
    """
    now = gather(SshdHost, users=list(users))
    _refuse_unfit(now, settings, users)
    declared = sshd.options(settings, set().union(*now.effective.values()))
    content = render("sshd/00-torchrack.conf.j2", options=declared)
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    if _in_place(now, sha256) and not _all_deviations(declared, now.effective):
        host.noop("sshd is hardened")
        return
    _tell(now, sha256, _all_deviations(declared, now.effective))
    _refuse_ineffective(declared, gather(SshdCandidate, content=content, users=list(users)))
    yield ProveCanary(content, users)
    yield from _install_rollback(settings.rollback_timeout)
    units = ROLLBACK_UNITS.rpartition("/")[2]
    yield StringCommand(
        _ACTIVATE.format(drop_in=shlex.quote(sshd.DROP_IN), sha256=sha256, units=units),
        _stdin=[base64.b64encode(content.encode()).decode()],
    )
    for user in users:
        yield ProveLogin(user, patience=settings.rollback_timeout * 0.6 / len(users))
    yield StringCommand(_DISARM.format(units=units))


@operation
def cloud_init_keeps_passwords_off() -> Commands:
    """Tell cloud-init, where there is one, that passwords are off: it sets its own at boot."""
    if gather(Exists, path="/etc/cloud/cloud.cfg.d"):
        yield from put._inner(dest=CLOUD, content=read("sshd/99-torchrack.cfg"))
    else:
        host.noop("no cloud-init")


def _tell(now: SshdState, sha256: str, deviations: Sequence[sshd.Deviation]) -> None:
    """Say what is not as declared, for reports."""
    resource = f"file:{sshd.DROP_IN}"
    if now.sha256 != sha256:
        actual = (now.sha256 or "no such file")[:23]
        differs(resource, "content", expected=sha256[:23], actual=actual)
    if now.ownership != "600 root root":
        differs(resource, "mode", expected="600 root root", actual=now.ownership or "none")
    if not now.banner:
        differs("banner", "exists", expected="the file that sshd shows", actual="no such file")
    if now.armed:
        differs("rollback", "armed", expected="a proven login", actual="an unproven change")
    if now.service and now.changed > now.reloaded + _CLOCKS_DIFFER:
        expected = "a reload after the last change"
        differs("unit:ssh.service", "configuration", expected=expected, actual="an older one")
    for one in deviations:
        differs(f"effective:{one.option}", "value", expected=one.needed, actual=one.found)


def _in_place(now: SshdState, sha256: str) -> bool:
    """Whether the drop-in is there, proven, and read by the running server."""
    stale = now.service and now.changed > now.reloaded + _CLOCKS_DIFFER
    return (
        now.sha256 == sha256
        and now.ownership == "600 root root"
        and now.banner
        and not now.armed
        and not stale
    )


def _install_rollback(timeout: int) -> Commands:
    for dest, content, mode in (
        (ROLLBACK, read("sshd/sshd-rollback"), "0755"),
        (f"{ROLLBACK_UNITS}.service", read("sshd/torchrack-sshd-rollback.service"), "0644"),
        (
            f"{ROLLBACK_UNITS}.timer",
            render("sshd/torchrack-sshd-rollback.timer.j2", timeout=timeout),
            "0644",
        ),
    ):
        yield from put._inner(dest=dest, content=content, mode=mode)


def _all_deviations(
    declared: dict[str, str], effective: dict[str, dict[str, list[str]]]
) -> list[sshd.Deviation]:
    found = [d for values in effective.values() for d in sshd.deviations(declared, values)]
    return list(dict.fromkeys(found))


def _refuse_unfit(now: SshdState, settings: Sshd, users: Sequence[str]) -> None:
    """Stop before the first change where the hardened sshd would be invalid or lock us out."""
    if not now.installed or now.version < sshd.MINIMUM:
        version = ".".join(map(str, now.version))
        raise HostError(
            Problem(
                where=host.name,
                what="OpenSSH server",
                found=f"OpenSSH {version}" if now.installed else "no sshd (another SSH server?)",
                needed=f"OpenSSH {'.'.join(map(str, sshd.MINIMUM))} or newer",
                fix="install openssh-server of a supported release",
            )
        )
    for user, said in now.errors.items():
        raise HostError(
            Problem(
                where=host.name,
                what=f"The present sshd configuration (sshd -T for {user})",
                found=said,
                needed="a valid configuration to start from",
                fix="mend it by hand; until then nothing is changed",
            )
        )
    for user in users:
        if settings.admin_group not in (now.groups.get(user) or []):
            raise HostError(
                Problem(
                    where=host.name,
                    what=f"Groups of {user}",
                    found=", ".join(now.groups.get(user) or []) or "no such account",
                    needed=f"{settings.admin_group}, the only group that will be let in",
                    fix="run stage base (--data only=base,sshd), which makes it a member",
                )
            )


def _refuse_ineffective(declared: dict[str, str], trial: SshdTrial) -> None:
    """Stop when sshd would reject the new configuration or use other values."""
    for user, said in trial.errors.items():
        raise HostError(
            Problem(
                where=host.name,
                what=f"The hardened sshd configuration (sshd -T for {user})",
                found=said,
                needed="a configuration that this sshd accepts",
                fix="compare /etc/ssh/sshd_config.d on the host; nothing was changed",
            )
        )
    wrong = _all_deviations(declared, trial.effective)
    if not wrong:
        return
    if len(wrong) > len(declared) / 2:
        found = "an sshd_config that does not begin with reading the files beside it"
        needed = "the line 'Include /etc/ssh/sshd_config.d/*.conf' before all others"
        fix = "put it at the top of /etc/ssh/sshd_config, where Debian and Ubuntu have it"
    else:
        found = "; ".join(f"{d.option} {d.found}" for d in wrong)
        needed = "; ".join(f"{d.option} {d.needed}" for d in wrong)
        fix = _override(trial.lines, wrong)
    raise HostError(
        Problem(
            where=host.name,
            what="Effective values of the hardened sshd configuration (sshd -T)",
            found=found,
            needed=needed,
            fix=f"{fix}. Nothing was changed",
        )
    )


def _override(lines: list[str], wrong: list[sshd.Deviation]) -> str:
    """What takes out the lines that override ours; those of a Match block need a person's eye."""
    options = {d.option.lower() for d in wrong}
    places, conditions = [], []
    for line in lines:
        file, number, text = (*line.split(":", 2), "", "")[:3]
        word = text.split(maxsplit=1)[0].lower() if text.split() else ""
        if word == "match":
            conditions.append(f"{file}:{number} ({text.strip()})")
        elif word in options and file != sshd.DROP_IN:
            places.append(line)
    if not places:
        return f"remove what overrides them, in {', '.join(conditions) or 'files below /etc/ssh'}"
    blocks = f"; some may stand below {', '.join(conditions)}" if conditions else ""
    texts = "; ".join(place.split(":", 2)[2].strip() for place in places)
    return f"{take_out(places)}, which takes out what overrides them: {texts}{blocks}"
