"""The floor: connect to each host, 40 at once, feed one script of 40 facts to sh, read the answer.

What no check over SSH can be faster than: ``python bench/fleet/floor.py PORT KEY HOSTS``.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import paramiko

FACTS = """uname -r; uname -m; hostname; id -u; cat /etc/os-release; cat /proc/loadavg
cat /proc/meminfo; cat /proc/cpuinfo; cat /proc/mounts; cat /proc/version; cat /etc/passwd
cat /etc/group; df -P; ls /etc; ls /etc/ssh; ls /usr/bin; ls /proc; stat /etc/passwd; stat /etc
cat /proc/uptime; cat /proc/stat; cat /proc/net/tcp; cat /proc/net/dev; env; date; umask; ulimit -a
ls /sys; ls /dev; ls /run; ls /var/lib; ls /boot; cat /etc/hosts; cat /etc/resolv.conf; locale
cat /proc/cmdline; ls /lib; ls /opt; sha256sum /etc/passwd; echo end""".replace("\n", "; ")


def ask(address: str, port: int, key: paramiko.PKey) -> int:
    """Return how many bytes the host answered with."""
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            address, port, "root", pkey=key, allow_agent=False, look_for_keys=False,
            banner_timeout=60, auth_timeout=60,
        )  # fmt: skip
        stdin, stdout, _ = client.exec_command("sh -s")
        stdin.write(FACTS)
        stdin.channel.shutdown_write()
        return len(stdout.read())


def main() -> None:
    """Ask all hosts."""
    port, key, count = int(sys.argv[1]), paramiko.Ed25519Key(filename=sys.argv[2]), int(sys.argv[3])
    addresses = [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(count)]
    with ThreadPoolExecutor(40) as pool:
        sizes = list(pool.map(lambda address: ask(address, port, key), addresses))
    if min(sizes) < 1000:
        sys.exit("a host did not answer")


if __name__ == "__main__":
    main()
