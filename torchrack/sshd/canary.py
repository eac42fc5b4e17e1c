"""A second sshd with the candidate: the new login is proven before the old way in closes.

It listens on the host's loopback alone, and is reached through the connection that is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paramiko import ChannelException, SSHException
from paramiko.common import OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
from pyinfra.api.command import StringCommand
from pyinfra.api.host import Host
from pyinfra.connectors.util import CommandOutput, OutputLine

from torchrack.errors import Problem
from torchrack.facts.sshd import copy_aside
from torchrack.sshd.proof import LoginError, prove_login

_PATIENCE = 15
"""Seconds for each login; the canary listens before the first."""

_START = """set -eu
PATH=$PATH:/usr/sbin:/sbin
[ -d /run/sshd ] || mkdir -m 0755 /run/sshd
systemctl stop torchrack-sshd-canary.service 2>/dev/null || true
aside=/run/torchrack-sshd-canary
rm -rf -- "$aside"
mkdir -m 0700 "$aside"
{copy}
# They add up, so that those of the host would be bound as well.
sed -E -i '/^[[:space:]]*(Port|ListenAddress)[[:space:]=]/Id' \\
    "$aside/sshd_config" "$aside"/sshd_config.d/*
for attempt in 1 2 3; do
    port=$(shuf -n 1 -i 49152-65535)
    systemd-run --quiet --collect --unit=torchrack-sshd-canary -p RuntimeMaxSec=90 \\
        "$(command -v sshd)" -D -f "$aside/sshd_config" \\
        -o "Port=$port" -o ListenAddress=127.0.0.1 -o PidFile=none
    for tick in $(seq 50); do
        case "$(ss -ltnpH "sport = :$port")" in *sshd*) echo "$port"; exit 0 ;; esac
        systemctl is-active --quiet torchrack-sshd-canary.service || break
        sleep 0.1
    done
    systemctl stop torchrack-sshd-canary.service 2>/dev/null || true
done
echo "no second sshd could be started; see journalctl -u torchrack-sshd-canary" >&2
exit 1
"""

_STOP = "systemctl stop torchrack-sshd-canary.service; rm -rf /run/torchrack-sshd-canary"


class _NoForwardingError(Exception):
    """The present sshd forwards no connections (AllowTcpForwarding no)."""


class ProveCanary(StringCommand):
    """Start the canary, log in to it as each account and run sudo, and stop it.

    Where the present sshd forwards no connections there is no way to the canary: then the timed
    rollback alone guards the change.

    Args:
        content: the candidate for the drop-in.
        users: the accounts that must be able to log in.
    """

    def __init__(self, content: str, users: Sequence[str]) -> None:
        super().__init__("true", "#", f"log in to a second sshd as {' and '.join(users)}")
        self.users = users
        self.script = _START.format(copy=copy_aside(content))

    def execute(self, state: Any, host: Any, connector_arguments: Any) -> Any:
        """Try it; the live configuration is not touched."""
        started, output = host.run_shell_command(StringCommand(self.script), **connector_arguments)
        try:
            if not started:
                raise LoginError(output.stderr)
            for user in self.users:
                prove_login(state, host, user, _PATIENCE, _channel(host, int(output.stdout)))
        except _NoForwardingError:
            host.log("the present sshd forwards no connections: no trial on a second sshd")
        except LoginError as error:
            problem = Problem(
                where=host.name,
                what="Trial login on a second sshd with the hardened configuration",
                found=str(error),
                needed=f"a key login as {', '.join(self.users)}, and sudo without a password",
                fix="nothing was changed; mend the account (authorized_keys, groups, sudo; see "
                "journalctl -u torchrack-sshd-canary on the host) and run again",
            )
            return False, CommandOutput([OutputLine("stderr", str(problem))])
        finally:
            host.run_shell_command(StringCommand(_STOP), **connector_arguments)
        return True, CommandOutput([])


def _channel(host: Host, port: int) -> Any:
    """A channel through the open connection to the host's loopback."""
    client = getattr(host.connector, "client", None)
    transport = client.get_transport() if client else None
    if transport is None:
        raise LoginError("the connection to the host is closed")
    target, origin = ("127.0.0.1", port), ("127.0.0.1", 0)
    try:
        return transport.open_channel("direct-tcpip", target, origin, timeout=_PATIENCE)
    except ChannelException as error:
        if error.code == OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED:
            raise _NoForwardingError from None
        raise LoginError(f"no way to the second sshd: {error}") from None
    except SSHException as error:
        raise LoginError(f"no way to the second sshd: {error}") from None
