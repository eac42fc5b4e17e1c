"""The commands in the images, as far as they run outside of a container."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from lab.image import build

COMMANDS = build.HERE / "commands"
HEALTHCHECKS = [COMMANDS / "torchrack-healthcheck", build.HERE / "tools/torchrack-healthcheck"]


def _run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "script", [path for path in COMMANDS.iterdir() if path.name != "torchrack-train-step"]
)
def test_scripts_parse_and_may_be_executed(script: Path) -> None:
    assert _run("bash", "-n", script).returncode == 0
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("healthcheck", HEALTHCHECKS)
class TestContainerHealth:
    def test_a_container_that_runs_is_healthy(self, healthcheck: Path) -> None:
        assert _run(healthcheck, "container").returncode == 0

    def test_a_touched_file_is_healthy(self, healthcheck: Path, tmp_path: Path) -> None:
        assert _run(healthcheck, "container", tmp_path, "60").returncode == 0

    def test_an_old_file_is_not(self, healthcheck: Path, tmp_path: Path) -> None:
        beat = tmp_path / "beat"
        beat.touch()
        os.utime(beat, (time.time() - 100, time.time() - 100))
        done = _run(healthcheck, "container", beat, "60")
        assert done.returncode == 1
        assert "s ago, allowed are 60 s" in done.stdout

    def test_a_missing_file_is_not(self, healthcheck: Path, tmp_path: Path) -> None:
        done = _run(healthcheck, "container", tmp_path / "beat", "60")
        assert (done.returncode, done.stdout) == (1, f"{tmp_path}/beat does not exist\n")

    @pytest.mark.parametrize("words", [[], ["nonsense"], ["container", "only-a-file"]])
    def test_wrong_use(self, healthcheck: Path, words: list[str]) -> None:
        done = _run(healthcheck, *words)
        assert done.returncode == 2
        assert done.stderr.startswith("use: torchrack-healthcheck")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("torchrack-jupyter", "torchrack-jupyter: no token: mount a directory"),
        ("torchrack-sshd", "torchrack-sshd: no readable authorized_keys: mount a directory"),
    ],
)
def test_nothing_starts_without_its_secret(command: str, message: str) -> None:
    done = _run(COMMANDS / command)
    assert done.returncode == 78
    assert done.stderr.startswith(message)
