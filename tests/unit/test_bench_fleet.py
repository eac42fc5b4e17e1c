"""The simulated hosts of the benchmark: they answer what was recorded, and nothing else."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from bench.fleet import recording, sshd
from bench.fleet.cost import measure

ADDRESS = "127.1.0.7"
UUID = "GPU-99b8e175-a5ff-eb17-cfed-0b26582d68c3"


def replay(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Have a simulated host run a script, as its sshd would."""
    return subprocess.run(
        [folder / "replay"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
        env={"SSH_CONNECTION": f"127.0.0.1 40000 {ADDRESS} 22", "PATH": "/usr/bin:/bin"},
    )


def test_a_host_repeats_its_answer_with_the_mark_of_the_script(tmp_path: Path):
    sshd.write_replay(tmp_path)
    script = (
        'export LC_ALL=C\nask() { echo "$mark"; }\nmark=MARK\nask 0 \'cat a\nb\'\necho "$mark end"'
    )
    recorded = script.replace("MARK", "==0a")
    folder = tmp_path / "answers" / ADDRESS
    folder.mkdir(parents=True)
    (folder / recording.key(recorded)).write_text("one\n@MARK@ 0 0\n@MARK@ end\n")
    done = replay(tmp_path, script.replace("MARK", "==beef"))
    assert (done.returncode, done.stdout) == (0, "one\n==beef 0 0\n==beef end\n")
    other = replay(tmp_path, script.replace("MARK", "==beef").replace("cat a", "cat c"))
    assert (other.returncode != 0, other.stdout) == (True, "")


def test_hosts_have_gpus_of_their_own_also_in_their_cdi_spec():
    spec = base64.b64encode(f"- name: {UUID}\n".encode()).decode()
    answer = f"spec={spec}\nGPU 0: H200 (UUID: {UUID})\n"
    one, other = (recording.varied(answer, address) for address in (ADDRESS, "127.1.0.8"))
    assert UUID not in one
    assert one != other
    encoded, shown = one.splitlines()
    inside = base64.b64decode(encoded.removeprefix("spec=")).decode().split()[-1]
    assert inside in shown  # the same GPU in both places


def test_a_program_is_not_told_to_have_the_memory_of_the_bench():
    cost = measure([sys.executable, "-I", "-S", "-c", "print('done')"], {})
    assert cost.output == "done\n"
    assert 0 < cost.memory < 30
    assert 0 < cost.cpu < cost.wall + 1


def test_a_program_that_fails_ends_the_bench():
    with pytest.raises(SystemExit, match="ended with 3"):
        measure([sys.executable, "-I", "-S", "-c", "raise SystemExit(3)"], {})
