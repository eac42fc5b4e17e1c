"""Facts about the OpenSSH server."""

from __future__ import annotations

import base64
import re
import shlex
from dataclasses import dataclass

from pyinfra.api.exceptions import FactProcessError
from pyinfra.api.facts import FactBase

from torchrack.sections import ERROR, sections
from torchrack.sshd.options import DROP_IN

Effective = dict[str, list[str]]
"""What ``sshd -T`` prints: lower-case option to its values, one for each line."""

# sshd -T refuses to work without /run/sshd, which is missing until the first connection where
# systemd owns the socket. A fact changes nothing, so that it looks at a /run of its own then.
_PRIVATE_RUN = "mount -t tmpfs -o mode=0755 tmpfs /run && mkdir -m 0755 /run/sshd"

_APART = f"""
apart() {{ "$@"; }}
if [ ! -d /run/sshd ]; then
    apart() {{ unshare -m sh -c '{_PRIVATE_RUN} && exec "$@"' - "$@"; }}
fi
"""

_TEST = """
for user in {users}; do
    echo "== effective $user"
    apart timeout -k 5 20 sshd -T -f "$config" \\
        -C "user=$user,host=client,addr=127.0.0.1,laddr=127.0.0.1,lport=22" 2>&1 ||
        echo "== error"
done
"""

_STATE = """
PATH=$PATH:/usr/sbin:/sbin
echo "== version"; ssh -V 2>&1
command -v sshd >/dev/null || {{ echo "== missing"; exit 0; }}
{apart}
echo "== times"; echo Now=$(date +%s.%N); echo Uptime=$(cut -d' ' -f1 /proc/uptime)
echo "== service"
systemctl show -p LoadState,ActiveState,StateChangeTimestampMonotonic,MainPID -- ssh.service
echo "== socket"; systemctl show -p LoadState,ActiveState -- ssh.socket
echo "== file"
if [ -f {drop_in} ]; then
    stat -Lc '%a %U %G %.6Z' -- {drop_in}; sha256sum < {drop_in}
fi
echo "== armed"; [ ! -e {armed} ] || echo yes
echo "== banner"; [ ! -e /etc/issue.net ] || echo yes
for user in {users}; do echo "== groups $user"; id -nG -- "$user" 2>&1 || echo "== error"; done
config=/etc/ssh/sshd_config
{test}"""

_COPY_ASIDE = """
umask 077
mkdir "$aside/sshd_config.d"
for f in /etc/ssh/sshd_config.d/*; do
    [ ! -f "$f" ] || cp -- "$f" "$aside/sshd_config.d/"
done
echo {content} | base64 -d > "$aside/sshd_config.d/{name}"
sed -E "/^[[:space:]]*[Ii][Nn][Cc][Ll][Uu][Dd][Ee]/s#(/etc/ssh/|\\b)sshd_config\\.d/#\
$aside/sshd_config.d/#g" /etc/ssh/sshd_config > "$aside/sshd_config"
"""
"""Copies the configuration into ``$aside``, with a candidate (base64) in place of the drop-in."""

_CANDIDATE = f"""set -eu
{{{{ {_PRIVATE_RUN}; }}}} || exit 1
PATH=$PATH:/usr/sbin:/sbin
aside=/run/torchrack-sshd
mkdir -m 0700 "$aside"
apart() {{{{ "$@"; }}}}
{{copy}}
config="$aside/sshd_config"
{{test}}
echo "== set"
grep -HinE '^[[:space:]]*[a-z]' /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf || true
"""

ARMED = "/var/lib/torchrack/sshd/armed"
"""Exists from just before an unproven configuration goes live until it is proven."""


@dataclass(frozen=True)
class SshdState:
    """The OpenSSH server of a host.

    Args:
        version: OpenSSH's version.
        installed: whether there is an sshd.
        service: whether ssh.service runs: one process that takes configurations up at a reload.
        socket: whether systemd listens for it (ssh.socket).
        reloaded: seconds since the epoch of ssh.service's last start or reload.
        sha256: of the drop-in, hex; empty where there is none.
        ownership: mode, owner and group of the drop-in ("600 root root").
        changed: seconds since the epoch of the drop-in's last change (ctime).
        armed: an earlier run left a configuration unproven.
        banner: /etc/issue.net exists.
        groups: the groups of each account asked for; None for one that does not exist.
        effective: ``sshd -T`` for each account asked for.
        errors: what ``sshd -T`` said for those accounts it failed for.
    """

    version: tuple[int, int]
    installed: bool
    service: bool
    socket: bool
    reloaded: float
    sha256: str
    ownership: str
    changed: float
    armed: bool
    banner: bool
    groups: dict[str, list[str] | None]
    effective: dict[str, Effective]
    errors: dict[str, str]


class SshdHost(FactBase[SshdState]):
    """Version, units, drop-in and effective values, in one round trip."""

    def command(self, users: list[str]) -> str:
        """Ask for the accounts that log in."""
        names = " ".join(map(shlex.quote, users))
        return _STATE.format(
            apart=_APART,
            drop_in=DROP_IN,
            armed=ARMED,
            users=names,
            test=_TEST.format(users=names),
        )

    def process(self, output: list[str]) -> SshdState:
        """Parse the sections."""
        parts = sections(output)
        version = re.search(r"OpenSSH_(\d+)\.(\d+)", " ".join(parts.get("version", [])))
        if version is None:
            raise FactProcessError(f"no OpenSSH version in {output[:3]!r}")
        service, socket, times = (pairs(parts.get(n, [])) for n in ("service", "socket", "times"))
        boot = float(times.get("Now", 0)) - float(times.get("Uptime", 0))
        file = parts.get("file", [])
        *ownership, changed = file[0].split() if file else ["0"]
        effective, errors = _effective(parts)
        return SshdState(
            version=(int(version[1]), int(version[2])),
            installed="missing" not in parts,
            service=service.get("ActiveState") in ("active", "reloading"),
            socket=socket.get("ActiveState") == "active",
            reloaded=boot + int(service.get("StateChangeTimestampMonotonic") or 0) / 1e6,
            sha256=file[1][:64] if file else "",
            ownership=" ".join(ownership),
            changed=float(changed),
            armed=bool(parts.get("armed")),
            banner=bool(parts.get("banner")),
            groups={
                name.removeprefix("groups "): None if _failed(lines) else " ".join(lines).split()
                for name, lines in parts.items()
                if name.startswith("groups ")
            },
            effective=effective,
            errors=errors,
        )


class Exists(FactBase[bool]):
    """Whether a path exists."""

    def command(self, path: str) -> str:
        """Test it."""
        return f"[ ! -e {shlex.quote(path)} ] || echo yes"

    def process(self, output: list[str]) -> bool:
        """Any answer is a yes."""
        return output == ["yes"]

    @staticmethod
    def default() -> bool:
        """Nothing known."""
        return False


@dataclass(frozen=True)
class SshdTrial:
    """What sshd would do with a candidate for the drop-in.

    Args:
        effective: ``sshd -T`` for each account asked for.
        errors: what it said for those accounts it failed for.
        lines: every line of the present configuration as ``file:number:text``.
    """

    effective: dict[str, Effective]
    errors: dict[str, str]
    lines: list[str]


class SshdCandidate(FactBase[SshdTrial]):
    """The whole configuration with a candidate in place of the drop-in, read from a copy."""

    def command(self, content: str, users: list[str]) -> str:
        """Copy the configuration aside, and ask sshd about the copy."""
        script = _CANDIDATE.format(
            copy=copy_aside(content), test=_TEST.format(users=" ".join(map(shlex.quote, users)))
        )
        return f"unshare -m sh -c {shlex.quote(script)}"

    def process(self, output: list[str]) -> SshdTrial:
        """Parse the sections."""
        parts = sections(output)
        effective, errors = _effective(parts)
        return SshdTrial(effective, errors, parts.get("set", []))


def copy_aside(content: str) -> str:
    """Return shell that copies the configuration into ``$aside`` with ``content`` as drop-in."""
    return _COPY_ASIDE.format(
        content=base64.b64encode(content.encode()).decode(), name=DROP_IN.rpartition("/")[2]
    )


def pairs(lines: list[str]) -> dict[str, str]:
    """Parse ``key=value`` lines."""
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _failed(lines: list[str]) -> bool:
    return ERROR in lines


def _effective(parts: dict[str, list[str]]) -> tuple[dict[str, Effective], dict[str, str]]:
    effective: dict[str, Effective] = {}
    errors: dict[str, str] = {}
    for name, lines in parts.items():
        if not name.startswith("effective "):
            continue
        user = name.removeprefix("effective ")
        if _failed(lines):
            errors[user] = " ".join(line for line in lines if line != ERROR)
        else:
            effective[user] = parse_effective(lines)
    return effective, errors


def parse_effective(lines: list[str]) -> Effective:
    """Parse what ``sshd -T`` prints: an option and its value a line, some options several times."""
    result: Effective = {}
    for line in lines:
        option, _, value = line.partition(" ")
        result.setdefault(option.lower(), []).append(value.strip())
    return result
