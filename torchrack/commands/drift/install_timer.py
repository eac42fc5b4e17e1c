"""``torchrack drift install-timer``: have this machine check a fleet every night."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from torchrack import atomic
from torchrack.commands.fleet import deploy_of, read_fleet
from torchrack.operations.files import render

_SECONDS = {"s": 1, "min": 60, "h": 3600}


def install_timer(
    inventory: Annotated[Path, typer.Argument(help="the fleet's inventory file")],
    *,
    at: Annotated[str, typer.Option("--at", help="when, HH:MM, in this machine's time")] = "03:00",
    jitter: Annotated[
        str, typer.Option("--jitter", help="up to how much later, at random: 90s, 30min, 1h")
    ] = "30min",
    time_limit: Annotated[
        str, typer.Option("--time-limit", help="how long a check may take: 90s, 30min, 1h")
    ] = "1h",
    deploy_file: Annotated[
        Path | None,
        typer.Option(
            "--deploy", help="the deploy file that is compared with (the one of the fleet)"
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="keep the last page here")] = None,
    metrics: Annotated[
        Path | None, typer.Option("--metrics", help="keep Prometheus metrics here (*.prom)")
    ] = None,
    show: Annotated[
        Literal["systemd", "cron", "ci"] | None,
        typer.Option("--print", help="print units, a cron line or a CI job; install nothing"),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="take the timer away again")] = False,
) -> None:
    """Install a systemd timer that checks a fleet every night, and alerts when something changed.

    As root it is one of the system, else one of the user (who has to be allowed to linger:
    loginctl enable-linger). The file .alerts.yml beside the inventory says who is alerted.

    Exit status: 0 it is as asked for, 1 it could not be installed or the input is wrong.
    """
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", at):
        _fail(f"--at {at}: no time of day such as 03:00")
    limit = _seconds("--time-limit", time_limit)
    _seconds("--jitter", jitter)
    chosen = deploy_of(inventory, deploy_file, "drift install-timer")
    for path, what in ((inventory, "inventory"), (chosen, "deploy file")):
        if not path.is_file():
            _fail(f"{path}: no such {what}")
    job = _Job(inventory.resolve(), chosen.resolve(), at, jitter, limit, html, metrics)
    if show is not None:
        typer.echo(job.printed(show), nl=False)
        return
    if not remove:
        read_fleet(inventory, "drift install-timer")
    units = _Units()
    units.remove(job) if remove else units.install(job)


@dataclass(frozen=True)
class _Job:
    """What is run every night."""

    inventory: Path
    deploy_file: Path
    at: str
    jitter: str
    limit: int
    html: Path | None
    metrics: Path | None

    @property
    def name(self) -> str:
        return f"torchrack-drift-{re.sub(r'[^A-Za-z0-9_.-]', '_', self.inventory.stem)}"

    @property
    def command(self) -> list[str]:
        program = Path(sys.prefix) / "bin" / "torchrack"
        outputs = [("html", self.html), ("prometheus", self.metrics)]
        return [
            *(str(program), "drift", "check", self._here(self.inventory)),
            *("--deploy", self.deploy_file.name, "--nightly", "--time-limit", str(self.limit)),
            *(
                word
                for name, path in outputs
                if path
                for word in ("--format", f"{name}:{path.absolute()}")
            ),
        ]

    def _here(self, path: Path) -> str:
        """Return a path as one types it in the deploy file's folder, where the check runs."""
        folder = self.deploy_file.parent
        return str(path.relative_to(folder) if path.is_relative_to(folder) else path)

    def service(self, environment: str) -> str:
        words = [word.replace("%", "%%").replace("$", "$$") for word in self.command]
        return render(
            "controller/drift.service.j2",
            fleet=self.inventory.name,
            folder=str(self.deploy_file.parent).replace("%", "%%"),
            command=" ".join(f'"{word}"' if " " in word else word for word in words),
            environment=environment,
            limit=self.limit + 60,
        )

    def timer(self) -> str:
        return render(
            "controller/drift.timer.j2", fleet=self.inventory.name, at=self.at, jitter=self.jitter
        )

    def printed(self, kind: Literal["systemd", "cron", "ci"]) -> str:
        hour, minute = self.at.split(":")
        if kind == "cron":
            # cron has no jitter of its own; % ends a command there.
            wait = f'sleep "$(shuf -i 0-{_seconds("--jitter", self.jitter)} -n 1)"; '
            run = f"cd {shlex.quote(str(self.deploy_file.parent))} && {shlex.join(self.command)}"
            return f"{int(minute)} {int(hour)} * * * {wait}{run}\n".replace("%", "\\%")
        if kind == "ci":
            return render(
                "controller/drift.ci.yml.j2",
                stem=self.inventory.stem,
                inventory=os.path.relpath(self.inventory, self.deploy_file.parent),
                hour=int(hour),
                minute=int(minute),
                seconds=self.limit,
                minutes=self.limit // 60 + 10,
            )
        units = _Units()
        service, timer = self.service(units.environment), self.timer()
        parts = ((f"{self.name}.service", service), (f"{self.name}.timer", timer))
        return "\n".join(f"# {units.folder / name}\n{text}" for name, text in parts)


class _Units:
    """systemd's units on this machine: the system's for root, the user's for anybody else."""

    def __init__(self) -> None:
        self._system = os.geteuid() == 0
        config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        self.folder = Path("/etc/systemd/system") if self._system else config / "systemd/user"
        self.environment = (
            "/etc/torchrack/nightly.env" if self._system else str(config / "torchrack/nightly.env")
        )

    def install(self, job: _Job) -> None:
        texts = {f"{job.name}.service": job.service(self.environment)}
        texts[f"{job.name}.timer"] = job.timer()
        self._systemctl("list-timers", "--no-pager")  # before anything is written
        changed = [name for name, text in texts.items() if self._written(name, text)]
        timer = f"{job.name}.timer"
        running = self._says("is-enabled", timer) and self._says("is-active", timer)
        if not changed and running:
            typer.echo(f"{timer} is there already, as asked for: nothing was changed.")
            return
        self._systemctl("daemon-reload")
        self._systemctl("enable", timer)
        self._systemctl("restart", timer)  # also takes up another time of day
        typer.echo(f"{timer} runs every night at {job.at}, up to {job.jitter} later.")
        typer.echo(f"To try it now: systemctl {self._scope}start {job.name}.service")

    def remove(self, job: _Job) -> None:
        files = [self.folder / f"{job.name}.{kind}" for kind in ("timer", "service")]
        if not any(file.exists() for file in files):
            typer.echo(f"{job.name}.timer is not there: nothing was changed.")
            return
        self._systemctl("disable", "--now", f"{job.name}.timer")
        for file in files:
            file.unlink(missing_ok=True)
        self._systemctl("daemon-reload")
        typer.echo(f"{job.name}.timer and its service were removed.")

    @property
    def _scope(self) -> str:
        return "" if self._system else "--user "

    def _written(self, name: str, text: str) -> bool:
        path = self.folder / name
        try:
            if path.exists() and path.read_text(encoding="utf-8") == text:
                return False
            atomic.write(path, text)
        except (OSError, UnicodeDecodeError) as error:
            _fail(f"{path} can't be written: {error}")
        return True

    def _says(self, *arguments: str) -> bool:
        return self._run(*arguments).returncode == 0

    def _systemctl(self, *arguments: str) -> None:
        done = self._run(*arguments)
        if done.returncode != 0:
            said = " ".join(done.stderr.split()) or f"it ended with {done.returncode}"
            _fail(
                f"systemctl {self._scope}{' '.join(arguments)}: {said}. Where there is no systemd, "
                "use --print cron"
            )

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = ["systemctl", *self._scope.split(), *arguments]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            _fail(f"systemctl can't be used: {error}. Where there is no systemd, use --print cron")


def _seconds(option: str, text: str) -> int:
    match = re.fullmatch(r"(\d{1,5})(s|min|h)", text)
    if match is None or int(match[1]) == 0:
        _fail(f"{option} {text}: no span of time such as 90s, 30min or 1h")
    return int(match[1]) * _SECONDS[match[2]]


def _fail(message: str) -> NoReturn:
    typer.echo(f"torchrack drift install-timer: {message}", err=True)
    raise typer.Exit(1)
