"""A notebook is given an environment in which its program is not found, and comes back.

The whole way on a server: what Docker says reaches the summary, what was done is counted, and the
person in the notebook has the container that she had.

Reference: https://github.com/containrrr/watchtower/issues/1043
Kind: a change that fails takes down what ran before.
"""

from __future__ import annotations

from pathlib import Path

from tests.lab.harness import BIN, Lab

CHANGE = """
from torchrack.settings import Workload, Workloads
for _, data in lab_hosts:
    _all = data["workloads"].containers
    _bad = Workload(name="probe", kind="container", image="pytorch", gpus="none", memory="64MiB",
                    cpus=0.5, memlock="1MiB", nofile=1024, shm_size="1MiB",
                    command=["sh", "-c", "echo no such data; sleep 1; exit 3"])
    _changed = _all[0].model_copy(update={"environment": {"PATH": "/nonexistent"}})
    data["workloads"] = Workloads(containers=[*WHICH])
"""
SHOW = "docker ps -a --format '{{.Names}} {{.ID}} {{.State}}' | sort; systemctl is-active"


def test_the_old_one_runs_again_and_a_first_one_leaves_nothing(lab: Lab, tmp_path: Path) -> None:
    before = lab.ssh("gpu01", f"{SHOW} torchrack-notebook.service").stdout
    inventory = lab.variant(tmp_path, CHANGE.replace("WHICH", "[_changed, *_all[1:]]"))
    only = ("--yes", "--limit", "gpu01", "--only", "workloads")
    done = lab.run(BIN / "torchrack", "deploy", inventory, *only, check=False)
    assert done.rc == 1
    sentence = (
        "notebook: the new container did not start: ended with status 127 before it was healthy; "
        "the old one runs again."
    )
    assert sentence in done.text.partition("Result")[2], done.output
    assert "1 host, 1 failed: 1 change made on 1 host(s)" in done.text
    assert lab.ssh("gpu01", f"{SHOW} torchrack-notebook.service").stdout == before

    inventory = lab.variant(tmp_path, CHANGE.replace("WHICH", "[*_all, _bad]"))
    done = lab.run(BIN / "torchrack", "deploy", inventory, *only, check=False)
    assert done.rc == 1
    assert "did not start: ended right after its start with status 3; it was removed." in done.text
    assert "no such data" in done.text
    assert lab.ssh("gpu01", f"{SHOW} torchrack-notebook.service").stdout == before
    assert lab.ssh("gpu01", "ls /etc/systemd/system/torchrack-probe*", check=False).rc != 0
    lab.ssh("gpu01", "docker network rm torchrack-probe")
