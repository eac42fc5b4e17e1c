"""A Docker engine and a systemd made of files, to run the scripts that replace containers.

They know as much as files/workloads/replace.sh and files/workloads/workload ask. A container is a
folder with its state; a container fails in the way that its file ``bad`` says. The scripts can be
killed at any command that changes something, as by a pulled plug.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from tests.unit.workload_cases import NOTEBOOK, declared
from torchrack.operations.files import read
from torchrack.workloads import replacement

NAME = "notebook"
UNIT = f"torchrack-{NAME}.service"

_COMMON = """#!/bin/sh
cd "$FAKE" || exit 1
get() { # sets v to the first line of a file
    v=
    [ ! -e "$1" ] || read -r v <"$1"
}
change() { # counts what changes something; the whole session is killed before the one that is asked
    echo "$*" >>changes
    count=0
    while read -r _; do count=$((count + 1)); done <changes
    get kill
    [ "$count" = "$v" ] || return 0
    get session
    kill -9 "-$v"
    exec sleep 9
}
"""
_DOCKER = r"""
[ "$1" != container ] || shift
case $1 in
inspect)
    [ "$2" = --format ] || exit 1
    cd "c/$4" 2>/dev/null || exit 1
    case $3 in
    *Labels*) get label && echo "$v" ;;
    *Id*) get id && echo "$v" ;;
    *Health*) [ ! -e health ] || echo healthy ;;
    *ExitCode*) get code; code=$v; get status; echo "$v ${code:-0}" ;;
    *Status*) get status && echo "$v" ;;
    esac
    ;;
image) ;;
ps) # docker ps -aq --filter name='^/NAME$' --filter label=...
    wanted=${4#name=^/}
    wanted=${wanted%$}
    get "c/$wanted/label"
    [ "$v" != "${6##*=}" ] || echo "$wanted"
    ;;
create)
    change "$@"
    cp -r new "c/$3" && echo notebook >"c/$3/label" && echo "new$$" >"c/$3/id"
    echo created >"c/$3/status"
    ;;
start)
    get "c/$2/status"
    [ "$v" != running ] || exit 0
    change "$@"
    for one in c/*/status; do
        get "$one"
        [ "$v" != running ] || echo "$2 and $one" >>together
    done
    get "c/$2/bad"
    case $v in
    start)
        echo "Error response from daemon: driver failed:" \
            "listen tcp4 0.0.0.0:8888: bind: address already in use" >&2
        echo "Error: failed to start containers: $2" >&2
        exit 1
        ;;
    end) echo exited >"c/$2/status" && echo 3 >"c/$2/code" ;;
    *) echo running >"c/$2/status" ;;
    esac
    ;;
stop)
    change "$@"
    for last; do :; done
    get "c/$last/status"
    [ "$v" != running ] || echo exited >"c/$last/status"
    ;;
rm) change "$@"; rm -r "c/$3" ;;
rename)
    [ ! -e "c/$3" ] || { echo "Conflict. The container name /$3 is already in use" >&2; exit 1; }
    [ -e "c/$2" ] || exit 1
    change "$@"
    mv "c/$2" "c/$3"
    ;;
wait) get "c/$2/status"; [ "$v" != running ] || exec sleep 9 ;;
logs) echo "no such module" ;;
esac
"""
_SYSTEMCTL = r"""
case $1 in
show)
    case $2 in
    *LoadState) [ -e loaded ] && echo loaded || echo not-found ;;
    *) [ -e active ] && echo active || echo inactive ;;
    esac
    ;;
stop) rm -f active; docker stop notebook ;;
start)
    get loaded
    [ "$v" != bad ] || { echo "Job for $2 failed" >&2; exit 1; }
    sh "$SUPERVISOR" start notebook || exit 1
    get c/notebook/bad
    case $v in health | end) docker stop notebook; exit 1 ;; esac
    touch active
    ;;
daemon-reload)
    change "$@"
    cp units/torchrack-notebook.service loaded 2>/dev/null || rm -f loaded
    ;;
enable) change "$@"; touch enabled ;;
disable) rm -f enabled ;;
esac
"""
_GATE = r"""
get "c/$2/bad"
case "$1 $v" in
"gate health") echo "workload $2: not healthy after $3 s (running 0 unhealthy)" >&2 ;;
"gate end")
    [ -e "c/$2/health" ] || exit 0
    echo "workload $2: ended with status 3 before it was healthy; its last lines:" >&2
    ;;
*) exit 0 ;;
esac
exit 1
"""


@dataclass(frozen=True)
class Ended:
    """How a script ended: exit status (negative: killed), and its words."""

    rc: int
    said: str


class Host:
    """A host in a folder, where ``notebook`` runs as the unit's container ``old``."""

    def __init__(self, folder: Path, *, old: bool = True) -> None:
        self.folder = folder
        for name in ("bin", "c", "units", "new", "run", "state"):
            (folder / name).mkdir(parents=True)
        for name, text in (
            ("docker", _DOCKER),
            ("systemctl", _SYSTEMCTL),
            ("gate", _GATE),
            ("journalctl", "echo its journal"),
        ):
            program = folder / "bin" / name
            program.write_text(_COMMON + text)
            program.chmod(0o755)
        (folder / "workload").write_text(self._here(read("workloads/workload")))
        if old:
            self.container(NAME, "old", status="running")
            (folder / "units" / UNIT).write_text("old\n")
            (folder / "loaded").write_text("old\n")
            for flag in ("active", "enabled"):
                (folder / flag).touch()

    def _here(self, text: str) -> str:
        for path, name in (
            ("/run/torchrack/workloads", "run"),
            ("/var/lib/torchrack/workloads", "state"),
            ("/etc/systemd/system", "units"),
        ):
            text = text.replace(path, str(self.folder / name))
        return text.replace("/usr/local/lib/torchrack/workload", str(self.folder / "bin/gate"))

    def container(self, name: str, id: str, **files: str) -> None:
        """Put a container there; ``files`` are its status, label, health and what is bad in it."""
        for key, value in {"label": NAME, "status": "created", "id": id, **files}.items():
            (self.folder / "c" / name).mkdir(exist_ok=True)
            (self.folder / "c" / name / key).write_text(f"{value}\n")

    def replace(self, *, bad: str = "", health: bool = True, kill_at: int = 0) -> Ended:
        """Make a new container and put it in the place of the old one, as a deploy does.

        Args:
            bad: how the new one fails: "start", "health", "end" or "unit"; empty: it is good.
            health: whether it has a health check.
            kill_at: the change at which everything is killed, counted from 1; 0: none.
        """
        for name, there in (("bad", bad), ("health", health)):
            (self.folder / "new" / name).unlink(missing_ok=True)
            if there:
                (self.folder / "new" / name).write_text(f"{there}\n")
        wanted = replace(declared(NOTEBOOK), unit_file="bad\n" if bad == "unit" else "new\n")
        made = self._run(replacement.create(wanted, 60))
        assert made.rc == 0, made.said
        (self.folder / "changes").unlink(missing_ok=True)
        if kill_at:
            (self.folder / "kill").write_text(f"{kill_at}\n")
        text = replacement.program(wanted, read("workloads/replace.sh"))
        (self.folder / "run" / "replace").write_text(self._here(text))
        ended = self._run(f"sh {self.folder}/run/replace swap")
        (self.folder / "kill").unlink(missing_ok=True)
        return ended

    def recover(self) -> Ended:
        """What systemd runs after the end of the replacement, whatever ended it."""
        return self._run(f"sh {self.folder}/run/replace recover")

    def reboot(self) -> None:
        """Lose /run and all that runs; start what is enabled."""
        shutil.rmtree(self.folder / "run")
        (self.folder / "run").mkdir()
        (self.folder / "active").unlink(missing_ok=True)
        for status in self.folder.glob("c/*/status"):
            if status.read_text() == "running\n":
                status.write_text("exited\n")
        self._run("systemctl daemon-reload; [ ! -e enabled ] || systemctl start " + UNIT)

    @property
    def running(self) -> list[str]:
        """The ids of all running containers."""
        found = self.folder.glob("c/*/status")
        return [
            (status.parent / "id").read_text().strip()
            for status in found
            if status.read_text() == "running\n"
        ]

    @property
    def names(self) -> list[str]:
        """The names of all containers."""
        return sorted(path.name for path in (self.folder / "c").iterdir())

    @property
    def together(self) -> bool:
        """Whether two containers ever ran at one time."""
        return (self.folder / "together").exists()

    @property
    def changes(self) -> int:
        """How many changes the last replacement made."""
        return len((self.folder / "changes").read_text().splitlines())

    def _run(self, script: str) -> Ended:
        environment = os.environ | {
            "FAKE": str(self.folder),
            "SUPERVISOR": str(self.folder / "workload"),
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
        }
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"echo $$ >session\n{self._here(script)}"],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return Ended(process.returncode, said)
