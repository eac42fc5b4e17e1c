"""The supervisor, with a shell script in systemd-nspawn's place."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from lab.paths import REPOSITORY


def supervise(folder: Path, script: str) -> "subprocess.Popen[str]":
    configuration = {
        "argv": ["sh", "-c", script, str(folder)],
        "env": {"COUNT": str(folder / "count")},
        "cgroups": [],
        "netns": "trk000000-no-such-server",
    }
    file = folder / "supervise.json"
    file.write_text(json.dumps(configuration))
    return subprocess.Popen(
        [sys.executable, "-m", "lab.supervise", str(file)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_a_reboot_starts_it_again_and_a_poweroff_does_not(tmp_path: Path) -> None:
    process = supervise(tmp_path, "echo x >> $COUNT; [ $(wc -l < $COUNT) = 3 ] || exit 133")
    output, _ = process.communicate(timeout=20)
    assert (tmp_path / "count").read_text() == "x\n" * 3
    assert "exit status was 0" in output
    assert process.returncode == 0


def test_a_crash_is_a_poweroff(tmp_path: Path) -> None:
    output, _ = supervise(tmp_path, "echo x >> $COUNT; exit 1").communicate(timeout=20)
    assert (tmp_path / "count").read_text() == "x\n"
    assert "exit status was 1" in output


def test_asked_to_end_it_asks_the_server_and_waits(tmp_path: Path) -> None:
    script = "trap 'echo in order; exit 133' TERM; echo up; while :; do sleep 0.05; done"
    process = supervise(tmp_path, script)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    try:
        output, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert "in order" in output
    assert process.returncode == 0
