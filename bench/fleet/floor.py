"""The floor: connect to each host, 40 at once, feed a script to sh, read the answer.

What no check over SSH can be faster than: ``python bench/fleet/floor.py PORT KEY HOSTS [SCRIPT]``.
Without a script it asks for 40 facts, which the hosts gather; with one, what stands in that file.
"""

from __future__ import annotations

import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import paramiko

FACTS = """uname -r; uname -m; hostname; id -u; cat /etc/os-release; cat /proc/loadavg
cat /proc/meminfo; cat /proc/cpuinfo; cat /proc/mounts; cat /proc/version; cat /etc/passwd
cat /etc/group; df -P; ls /etc; ls /etc/ssh; ls /usr/bin; ls /proc; stat /etc/passwd; stat /etc
cat /proc/uptime; cat /proc/stat; cat /proc/net/tcp; cat /proc/net/dev; env; date; umask; ulimit -a
ls /sys; ls /dev; ls /run; ls /var/lib; ls /boot; cat /etc/hosts; cat /etc/resolv.conf; locale
cat /proc/cmdline; ls /lib; ls /opt; sha256sum /etc/passwd; echo end""".replace("\n", "; ")


def _transport(sock: Any, **kwargs: Any) -> paramiko.Transport:
    """Without Nagle's algorithm, as the check has it: with it the floor would be a slower one."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return paramiko.Transport(sock, **kwargs)


def ask(address: str, port: int, key: paramiko.PKey, script: str) -> int:
    """Return how many bytes the host answered with."""
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            address, port, "root", pkey=key, allow_agent=False, look_for_keys=False,
            banner_timeout=60, auth_timeout=60, transport_factory=_transport,
        )  # fmt: skip
        stdin, stdout, _ = client.exec_command("sh -s")
        stdin.write(script)
        stdin.channel.shutdown_write()
        return len(stdout.read())


def main() -> None:
    """Ask all hosts."""
    port, key, count = int(sys.argv[1]), paramiko.Ed25519Key(filename=sys.argv[2]), int(sys.argv[3])
    script = Path(sys.argv[4]).read_text() if len(sys.argv) > 4 else FACTS
    addresses = [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(count)]
    with ThreadPoolExecutor(40) as pool:
        sizes = list(pool.map(lambda address: ask(address, port, key, script), addresses))
    if min(sizes) < 1000:
        sys.exit("a host did not answer")


if __name__ == "__main__":
    main()
