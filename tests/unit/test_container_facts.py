"""The one answer about all workloads of a host, as recorded on Debian 13 with Docker 26.1."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from pyinfra.api.exceptions import FactProcessError

from tests.unit.workload_cases import INSPECT
from torchrack.facts.containers import Unit, Volume, Workloads

RECORDED = f"""container {json.dumps(INSPECT)}
network bridge 
network torchrack-notebook notebook
volume notebook-home /var/lib/docker/volumes/notebook-home/_data 1000:1000 used|notebook
volume old /var/lib/docker/volumes/old/_data 0:0 |
volume remote - - |other
image registry.example:5000/p@sha256:2b ["/usr/bin/tini","-g","--"]
image registry.example:5000/q@sha256:3c null
unit Id=torchrack-notebook.service
unit LoadState=loaded
unit ActiveState=active
unit UnitFileState=enabled
unit NeedDaemonReload=no
unit 
unit Id=torchrack-absent.service
unit LoadState=not-found
unit ActiveState=inactive
unit UnitFileState=
unit NeedDaemonReload=no
file /etc/systemd/system/torchrack-notebook.service
path 500 1000:1000 1795262040.057301 4096 |/etc/torchrack/workloads/notebook
path 400 1000:1000 1795262070.465303 65 8f882a|/etc/torchrack/workloads/notebook/jupyter_token
completed /var/lib/torchrack/workloads/train.completed:7a32225e
replacing torchrack-replace@train.service loaded active running [systemd-run] /bin/sh /run/x swap
"""  # noqa: W291 - Docker prints a blank where a label is missing


def test_a_recorded_answer() -> None:
    found = Workloads().process(RECORDED.splitlines())
    assert list(found.containers) == ["notebook"]
    assert found.networks == {"bridge": "", "torchrack-notebook": "notebook"}
    path = "/var/lib/docker/volumes"
    assert found.volumes == {
        "notebook-home": Volume("notebook", "1000:1000", False, f"{path}/notebook-home/_data"),
        "old": Volume("", "0:0", True, f"{path}/old/_data"),
        "remote": Volume("other", "", True, "-"),
    }
    assert found.entrypoints["registry.example:5000/p@sha256:2b"] == ("/usr/bin/tini", "-g", "--")
    assert found.entrypoints["registry.example:5000/q@sha256:3c"] == ()
    assert found.units == {
        "notebook": Unit("loaded", "active", "enabled", False),
        "absent": Unit("not-found", "inactive", "", False),
    }
    assert found.unit_files == {"notebook"}
    token = found.paths["/etc/torchrack/workloads/notebook/jupyter_token"]
    assert (token.mode, token.owner, token.size, token.sha256) == ("400", "1000:1000", 65, "8f882a")
    assert found.paths["/etc/torchrack/workloads/notebook"].sha256 == ""
    assert found.completed == {"train": "7a32225e"}
    assert found.replacing == {"train"}


def test_a_bare_host_has_nothing() -> None:
    found = Workloads().process(
        [
            "unit Id=torchrack-a.service",
            "unit LoadState=not-found",
            "unit ActiveState=inactive",
            "unit UnitFileState=",
            "unit NeedDaemonReload=no",
        ]
    )
    assert (found.containers, found.networks, found.volumes) == ({}, {}, {})


@pytest.mark.parametrize("line", ["container {", "path 500", "volume x", "unit Id=x"])
def test_an_odd_answer_stops_the_host(line: str) -> None:
    with pytest.raises(FactProcessError, match="unexpected answer about workloads"):
        Workloads().process([line])


def test_the_question_is_a_shell_script() -> None:
    script = Workloads().command(names=[], volumes=[], images=[], paths=["/it's here"], binds=[])
    sh = shutil.which("sh")
    assert sh
    done = subprocess.run([sh, "-n"], input=script, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
