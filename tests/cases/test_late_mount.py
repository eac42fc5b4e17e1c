"""A container starts before its data set is mounted, and keeps the empty directory beneath.

NFS shares and disks with nofail are not ordered before docker.service. Docker binds what lies at
the path when a container starts: the notebook saw an empty /data for ever, what it wrote filled the
root disk, and drift said "in sync". A deploy while the share was away made an empty directory.

Reference: https://github.com/sous-chefs/docker/issues/536
Kind: order at boot, and a mount that is not what its source is.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tasks.workloads import supervisor
from tests.unit.plan import Plan
from tests.unit.test_preflight_checks import SURVEY
from tests.unit.workload_cases import JOB, NOTEBOOK, REFERENCE, TINI, container, declared, found
from torchrack.drift.probes import containers as judged
from torchrack.drift.probes.subject import Subject as DriftSubject
from torchrack.operations import containers, files
from torchrack.preflight.checks import storage
from torchrack.preflight.facts import Container, HostFacts
from torchrack.preflight.subject import Subject
from torchrack.settings import Mount, Workload, Workloads
from torchrack.settings.model import merge
from torchrack.workloads import mounts
from torchrack.workloads.declare import declare

DATA = [Mount(source="/srv/data sets/a", target="/data")]
UNMOUNTED = {"/srv/data sets/a": "/srv/data sets"}
ROOT = "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
NFS = "40 21 0:55 / /srv/data rw shared:9 - nfs4 nas:/data rw\n"
AUTOFS = "39 21 0:50 / /srv/data rw - autofs systemd-1 rw\n"

AUTO = "nas:/data /srv/data nfs4 x-systemd.automount 0 0"
TWO = "/dev/sdb1 /srv/data ext4 nofail 0 2\nnas:/a /srv/data/a nfs4 nofail 0 0"
SWAP = "/dev/vda1 / ext4 errors=remount-ro 0 1\n/dev/vda2 none swap sw 0 0"


def _shell(folder: Path, fstab: str, units: str, mountinfo: str) -> str:
    """The shell functions, led to files of the test."""
    (folder / "fstab").write_text(fstab)
    (folder / "a.mount").write_text(units)
    (folder / "mountinfo").write_text(mountinfo)
    return (
        mounts.shell()
        .replace("/etc/fstab", f"{folder}/fstab")
        .replace("/etc/systemd/system/*.mount", f"{folder}/*.mount")
        .replace("/run/systemd/generator*/*.mount", "")
        .replace("/proc/self/mountinfo", f"{folder}/mountinfo")
    )


def _sh(text: str, folder: Path) -> str:
    done = subprocess.run(
        ["sh", "-u"],
        input=text,
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("fstab", "units", "mountinfo", "paths"),
    [
        ("nas:/data /srv/data nfs4 nofail,_netdev 0 0", "", ROOT, ("/srv/data", "/srv/data")),
        ("nas:/data /srv/data nfs4 nofail,_netdev 0 0", "", ROOT, ("/srv/data/a/b", "/srv/data")),
        ("nas:/data /srv/data/ nfs4 noauto 0 0", "", ROOT, ("/srv/data", "/srv/data")),
        ("UUID=1\t/srv/data\text4\tnofail\t0\t2", "", ROOT + NFS, ("/srv/data/a", "")),
        # What waits for a look is not mounted; in this test nothing comes of the look.
        (AUTO, "", ROOT + AUTOFS, ("/srv/data", "/srv/data")),
        (AUTO, "", ROOT + AUTOFS + NFS, ("/srv/data", "")),
        # Mounted by hand, deeper than what /etc/fstab has.
        ("/dev/sdb1 /srv ext4 nofail 0 2", "", ROOT + NFS, ("/srv/data/a", "")),
        ("/dev/sdb1 /srv ext4 nofail 0 2", "", ROOT + NFS, ("/srv/other", "/srv")),
        # The share within is away, though what it is mounted in is there.
        (TWO, "", ROOT + NFS, ("/srv/data/a", "/srv/data/a")),
        ("", "[Mount]\nWhat=nas:/data\nWhere=/srv/data\n", ROOT, ("/srv/data", "/srv/data")),
        ("", "[Mount]\nWhere=/srv/my 50%% data\n", ROOT,
         ("/srv/my 50% data/x", "/srv/my\\04050%\\040data")),
        (r"tmpfs /srv/my\040data tmpfs nofail 0 0", "", ROOT, ("/srv/my data", r"/srv/my\040data")),
        (r"tmpfs /srv/my\040data tmpfs nofail 0 0", "",
         ROOT + "9 1 0:9 / /srv/my\\040data rw - tmpfs tmpfs rw\n", ("/srv/my data", "")),
        # Neighbours, comments, the root itself and swap.
        ("nas:/data /srv/data nfs4 nofail 0 0", "", ROOT, ("/srv/database", "")),
        ("#nas:/data /srv/data nfs4 nofail 0 0", "", ROOT, ("/srv/data", "")),
        (SWAP, "", ROOT, ("/srv/data", "")),
    ],
)  # fmt: skip
def test_what_is_not_mounted(
    fstab: str, units: str, mountinfo: str, paths: tuple[str, str], tmp_path: Path
) -> None:
    path, missing = paths
    shell = _shell(tmp_path, fstab, units, mountinfo)
    assert _sh(f"{shell}\nnot_mounted '{path}'", tmp_path) == (f"{missing}\n" if missing else "")


def test_a_source_that_is_a_link_lies_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/srv/data/a")
    shell = _shell(tmp_path, "nas:/data /srv/data nfs4 nofail 0 0", "", ROOT)
    assert _sh(f"{shell}\nnot_mounted {tmp_path}/link", tmp_path) == "/srv/data\n"


def test_the_unit_waits_and_does_not_stop_with_an_automount() -> None:
    """Requires= would stop the container when x-systemd.idle-timeout unmounts its share."""
    made = declare(
        Workload(**NOTEBOOK | {"mounts": DATA}),
        REFERENCE,
        TINI,
        lambda **values: files.render(
            "workloads/unit.service.j2", data_root=mounts.quoted("/data 1"), **values
        ),
        60,
    )
    names = r"srv-data\x20sets-a.mount srv-data\x20sets.mount srv.mount"
    lines = made.unit_file.splitlines()
    assert f"Wants={names}" in lines
    assert f"After={names}" in lines
    assert 'RequiresMountsFor="/data 1"' in lines
    assert "After=remote-fs.target autofs.service" in lines


def test_names_of_mount_units_are_systemds() -> None:
    """By systemd-escape --path of systemd 257."""
    assert mounts.units(["/srv/my data/.x"]) == [
        r"srv-my\x20data-.x.mount",
        r"srv-my\x20data.mount",
        "srv.mount",
    ]
    assert mounts.units(["/.a/b-c/ü"])[-1] == r"\x2ea.mount"
    assert r"\x2ea-b\x2dc-\xc3\xbc.mount" in mounts.units(["/.a/b-c/ü"])


# A supervisor that starts a container; docker and systemctl are stand-ins that write down calls.
DOCKER = """#!/bin/sh
case "$*" in container*) echo '/srv/data/a' ;; *) echo "$*" >> {log} ;; esac
"""
SYSTEMCTL = """#!/bin/sh
case $1 in
list-jobs) [ ! -e {queued} ] || {{ rm {queued}; echo '7 srv-data-a-b.mount start waiting'; }} ;;
show) echo /srv/data/a/b; echo waited >> {log} ;;
esac
"""


@pytest.mark.parametrize(
    ("mountinfo", "queued", "status", "calls"),
    [
        (ROOT, False, 1, []),
        (ROOT + NFS, False, 0, ["start notebook"]),
        # A mount within the source, which is no part of what the unit waits for.
        (ROOT + NFS, True, 0, ["waited", "start notebook"]),
    ],
)
def test_the_supervisor_starts_on_no_empty_folder(
    mountinfo: str, queued: bool, status: int, calls: list[str], tmp_path: Path
) -> None:
    shell = _shell(tmp_path, "nas:/data /srv/data nfs4 nofail 0 0", "", mountinfo)
    values = {"log": tmp_path / "log", "queued": tmp_path / "queued"}
    for name, text in (("docker", DOCKER), ("systemctl", SYSTEMCTL)):
        (tmp_path / name).write_text(text.format(**values))
        (tmp_path / name).chmod(0o755)
    if queued:
        (tmp_path / "queued").touch()
    program = tmp_path / "workload"
    text = supervisor()
    assert mounts.shell() in text
    program.write_text(
        text.replace(mounts.shell(), shell)
        .replace("/run/torchrack", f"{tmp_path}/run")
        .replace("/var/lib/torchrack", f"{tmp_path}/lib")
    )
    done = subprocess.run(
        ["sh", program, "start", "notebook"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert ("not mounted on the host is /srv/data" in done.stderr) == (status == 1)
    log = tmp_path / "log"
    assert (log.read_text().splitlines() if log.exists() else []) == calls


@pytest.fixture
def stage(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``stage(workload, found)``: the commands of both operations."""
    monkeypatch.setattr(files, "gather", lambda fact, paths: dict.fromkeys(paths))
    monkeypatch.setattr(containers, "_found", {})
    monkeypatch.setattr(containers, "current_host", lambda: "host")

    def run(workload: Workload, there: Any) -> list[str]:
        images = {"pytorch": REFERENCE}
        first = plan(containers.only_declared, there, workloads=[workload], images=images)
        values = {"reference": REFERENCE, "gpu_timeout": 60}
        unit = lambda **values: f"[Service] {sorted(values)}\n"  # noqa: E731
        return first + plan(
            containers.workload, there, workload=workload, unit_template=unit, **values
        )

    return run


def test_the_stage_makes_no_directory_beneath(stage: Any) -> None:
    wanted = declared(mounts=DATA)
    commands = stage(wanted.workload, found(wanted, containers={}, away=UNMOUNTED))
    assert all(one.startswith("false") for one in commands)
    assert "/srv/data sets, which is not mounted" in commands[0]
    assert r"sudo systemctl start 'srv-data\x20sets.mount'" in commands[0]
    (hung, _) = stage(wanted.workload, found(wanted, containers={}, away={DATA[0].source: ""}))
    assert "does not answer" in hung


def test_what_runs_or_is_done_is_left_alone_while_a_share_is_away(stage: Any) -> None:
    for fields, state in ((NOTEBOOK, {}), (JOB, {"Status": "exited", "ExitCode": 0})):
        wanted = declared(fields, mounts=DATA)
        made = container(wanted, **state)
        made["Mounts"] = [
            {"Type": "bind", "Source": m.source, "Destination": m.target, "RW": not m.read_only}
            for m in wanted.spec.mounts
        ]
        there = found(
            wanted,
            containers={"notebook": made},
            completed={"notebook": made["Id"]} if state else {},
            away=UNMOUNTED,
        )
        there.paths[DATA[0].source] = there.paths["/etc/torchrack/workloads/notebook"]
        assert not [one for one in stage(wanted.workload, there) if one.startswith("false")]


@pytest.mark.parametrize(
    ("fields", "running", "refused"), [(NOTEBOOK, False, 1), (NOTEBOOK, True, 0), (JOB, False, 0)]
)
def test_preflight_refuses_where_a_container_would_start(
    fields: dict[str, Any], running: bool, refused: int
) -> None:
    workloads = Workloads(containers=[Workload(**fields | {"mounts": DATA})])
    there = (Container("notebook", "notebook", ""),) if running else ()
    facts = HostFacts(SURVEY, 0.0, containers=there, away=UNMOUNTED)
    subject = Subject("gpu01", facts, merge([{"workloads": workloads}]), 0.0, 0.0)
    assert len(list(storage.shares(subject))) == refused


def test_the_lines_of_a_host_are_read_with_their_spaces() -> None:
    lines = [r"/srv/data\040sets|/srv/data sets/a", "|/srv/hung"]
    assert mounts.away(lines) == UNMOUNTED | {"/srv/hung": ""}


HOST = ROOT + NFS
INSIDE = "90 80 0:99 / / rw - overlay overlay rw\n"
SAME = INSIDE + "91 90 0:55 / /data rw - nfs4 nas:/data rw\n"


@pytest.mark.parametrize(
    ("source", "host", "inside", "wrong"),
    [
        ("/srv/data", HOST, SAME, ""),
        ("/srv/data/a", HOST, INSIDE + "91 90 0:55 /a /data rw - nfs4 nas:/data rw\n", ""),
        # Started before the mount; a share mounted anew; a directory that was exchanged.
        ("/srv/data", HOST, INSIDE + "91 90 254:1 /srv/data /data rw - ext4 /dev/vda1 rw\n",
         "other"),
        ("/srv/data", HOST, INSIDE + "91 90 0:54 / /data rw - nfs4 nas:/data rw\n", "other"),
        ("/srv/x", HOST, INSIDE + "91 90 254:1 /srv/x//deleted /data rw - ext4 /dev/vda1 rw\n",
         "other"),
        ("/srv/x", HOST, INSIDE + "91 90 254:1 /srv/x.old /data rw - ext4 /dev/vda1 rw\n", "other"),
        # Mounts within: one that came later, one that has gone on the host.
        ("/srv/data", HOST + "41 40 8:17 / /srv/data/big rw - ext4 /dev/sdb1 rw\n", SAME,
         "later /big"),
        ("/srv/data", HOST + "41 40 8:17 / /srv/data/big rw - ext4 /dev/sdb1 rw\n",
         SAME + "92 91 8:17 / /data/big rw - ext4 /dev/sdb1 rw\n", ""),
        ("/srv/data", HOST, SAME + "92 91 8:17 / /data/big rw - ext4 /dev/sdb1 rw\n", "gone /big"),
        # An automount that nobody has looked into; another mount of the container's own; a link
        # of the image on the way to the target.
        ("/srv/data", HOST + "41 40 0:60 / /srv/data/auto rw - autofs systemd-1 rw\n", SAME, ""),
        ("/srv/data", HOST, SAME + "92 91 254:1 /x /data/cache rw - ext4 /dev/vda1 rw\n", ""),
        ("/srv/data", HOST, INSIDE + "91 90 0:55 / /mnt/data rw - nfs4 nas:/data rw\n", ""),
    ],
)  # fmt: skip
def test_drift_compares_what_is_mounted(
    source: str, host: str, inside: str, wrong: str, tmp_path: Path
) -> None:
    script = files.read("drift/probes.sh")
    begin = script.index("# What each container has mounted")
    end = script.index('[ -z "$up" ] || printf \'%s\\n\' "$up" | {')
    (tmp_path / "docker").write_text(
        f"#!/bin/sh\nprintf '77\\tnotebook\\t%s\\t%s\\n' {source} /data /x /data/cache\n"
    )
    (tmp_path / "docker").chmod(0o755)
    (tmp_path / "inside").write_text(inside)
    block = script[begin:end].replace('"/proc/$pid/mountinfo"', f"{tmp_path}/inside")
    block = block.replace("/proc/self/mountinfo", f"{tmp_path}/mountinfo")
    shell = _shell(tmp_path, "", "", host)
    out = _sh(f"{shell}\nup='77 notebook healthy'\nstatus=0\n{block}", tmp_path)
    lines = [line for line in out.splitlines() if "\t/data\t" in line]
    assert lines == ([f"mount\tnotebook\t{source}\t/data\t{wrong}"] if wrong else [])


@pytest.mark.parametrize(
    ("what", "actual", "fix"),
    [
        ("other", "which is not what", "sudo systemctl restart torchrack-notebook.service, which"),
        ("later /big", "mounted since on /srv/a b/big", "sudo systemctl restart torchrack-"),
        ("gone /big", "had mounted on /srv/a b/big", "sudo systemctl restart torchrack-"),
        # A restart alone would stop it: the supervisor starts on no empty folder.
        (
            r"away /srv/a\040b",
            "/srv/a b is not mounted",
            r"sudo systemctl start 'srv-a\x20b.mount' && sudo systemctl restart",
        ),
        ("hangs", "/srv/a b does not answer", "see that the server"),
    ],
)
def test_drift_names_the_cause_and_one_safe_command(what: str, actual: str, fix: str) -> None:
    settings = merge([{"workloads": Workloads(containers=[Workload(**NOTEBOOK)])}])
    line = f"mount\tnotebook\t/srv/a b\t/data\t{what}"
    (finding,) = judged.judge(["pci 0", line], DriftSubject("gpu01", settings))
    assert (finding.id, finding.severity) == ("host.container:notebook.mount-/data", "outage")
    assert actual in finding.actual
    assert finding.fix.startswith(fix)
