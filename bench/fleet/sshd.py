"""A real sshd on all loopback addresses, and a relay in front of it that adds a delay.

Each address has a host key of its own, as hosts have: one sshd is started for each connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

_CONFIG = """
AuthorizedKeysFile {folder}/login.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
LogLevel QUIET
{force}
"""
# Reads the whole script, as a host does, and answers as one did; a script that was never recorded
# fails, so that nothing is measured that is no whole check.
_REPLAY = """#!/bin/sh
line='
'
script=$(cat)
rest=${{script#*${{line}}mark=}}
mark=${{rest%%"$line"*}}
name=$(printf '%s\\n' "${{script%%${{line}}mark=*}}$line${{rest#*"$line"}}" | sha256sum)
address=${{SSH_CONNECTION#* * }}
exec sed "s/@MARK@/$mark/" "{folder}/answers/${{address%% *}}/${{name%% *}}"
"""


def prepare(folder: Path) -> None:
    """Make keys, the folder for answers, and the program that answers."""
    for name in ("answers", "keys"):
        (folder / name).mkdir()
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "login"], check=True
    )
    host_key(folder, "127.0.0.1")
    write_replay(folder)


def host_key(folder: Path, address: str) -> str:
    """Return the public host key of an address; the pair is made where it is missing."""
    file = folder / "keys" / address
    if not file.exists():
        key = Ed25519PrivateKey.generate()
        pair = Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        file.with_name(f"{address}.pub").write_bytes(public + b"\n")
        file.touch(0o600)
        file.write_bytes(key.private_bytes(*pair))
    return file.with_name(f"{address}.pub").read_text()


def write_replay(folder: Path) -> None:
    """Write the program that sshd runs for whatever it is asked: ``replay`` in the folder."""
    replay = folder / "replay"
    replay.write_text(_REPLAY.format(folder=folder))
    replay.chmod(0o755)


@dataclass(frozen=True)
class Served:
    """A server on all loopback addresses: its port, and the sshd behind it."""

    port: int
    process: int

    def cpu(self) -> float:
        """Return the CPU seconds of sshd and of all that it started and has ended."""
        words = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(folder: Path, port: int, *, replay: bool) -> Iterator[Served]:
    """Run the sshd; with ``replay`` it answers from the recording whatever it is asked to run."""
    force = f"ForceCommand {folder}/replay" if replay else ""
    config = folder / f"sshd_config_{port}"
    config.write_text(_CONFIG.format(folder=folder, force=force))
    Path("/run/sshd").mkdir(exist_ok=True)  # sshd's chroot; a package's unit makes it elsewhere
    with _process([sys.executable, __file__, str(port), str(config)], port) as process:
        yield Served(port, process)


@contextmanager
def relayed(server: Served, port: int, seconds: float) -> Iterator[Served]:
    """Run a relay that passes each piece on after so many seconds, in both directions."""
    command = [sys.executable, __file__, str(port), str(server.port), str(seconds)]
    with _process(command, port):
        yield Served(port, server.process)


@contextmanager
def _process(command: list[str], port: int) -> Iterator[int]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 10
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{command[0]} does not listen on port {port}")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError, paramiko.SSHException):
        transport = paramiko.Transport(("127.0.0.1", port))
        try:
            transport.start_client(timeout=5)
        finally:
            transport.close()
        return True
    return False


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, late: float) -> None:
    """Pass pieces on; each is late by itself, so that a stream is as fast as without."""
    loop, last = asyncio.get_running_loop(), 0.0
    with contextlib.suppress(OSError):
        while piece := await reader.read(65536):
            loop.call_later(late, writer.write, piece)
            last = loop.time() + late
    await asyncio.sleep(max(0.0, last - loop.time()) + 0.01)
    writer.close()


async def _relay(port: int, to: int, late: float) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            address = writer.get_extra_info("sockname")[0]  # the host that was meant
            there, back = await asyncio.open_connection(address, to)
            await asyncio.gather(
                _pass_on(reader, back, late), _pass_on(there, writer, late), return_exceptions=True
            )

    server = await asyncio.start_server(connected, "0.0.0.0", port, backlog=1000)  # noqa: S104
    async with server:
        await server.serve_forever()


def _serve(port: int, config: Path) -> None:
    """Start an sshd for each connection, with the key of the address that was meant."""
    signal.signal(signal.SIGCHLD, _reap)
    server = socket.create_server(("0.0.0.0", port), backlog=1000)  # noqa: S104
    while True:
        connection, _ = server.accept()
        with connection:
            key = config.parent / "keys" / connection.getsockname()[0]
            command = ["/usr/sbin/sshd", "-i", "-e", "-f", str(config), "-h", str(key)]
            ends = [(os.POSIX_SPAWN_DUP2, connection.fileno(), number) for number in (0, 1)]
            os.posix_spawn(command[0], command, os.environ, file_actions=ends)


def _reap(*_: object) -> None:
    """Take the account of those that have ended: their CPU time counts from then on."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


if __name__ == "__main__":
    if len(sys.argv) == 3:
        _serve(int(sys.argv[1]), Path(sys.argv[2]))
    else:
        asyncio.run(_relay(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
