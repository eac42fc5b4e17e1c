"""``torchrack init``: begin a new fleet's repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from torchrack.errors import Problem, ProblemsError
from torchrack.init import repository, source
from torchrack.init.answers import Answers, Question, questions
from torchrack.report import print_problems


def init(
    folder: Annotated[Path, typer.Argument(help="the folder that the repository is to be")],
    *,
    name: Annotated[str | None, typer.Option(help="the fleet's name")] = None,
    group: Annotated[str | None, typer.Option(help="the group of its GPU servers")] = None,
    user: Annotated[str | None, typer.Option(help="the account that deploys")] = None,
    key: Annotated[str | None, typer.Option(help="its private SSH key")] = None,
    image: Annotated[
        str | None, typer.Option(help="the PyTorch image, registry/name:tag, or none")
    ] = None,
    nightly: Annotated[
        str | None, typer.Option(help="when the nightly check runs, HH:MM in UTC")
    ] = None,
    git: Annotated[bool, typer.Option("--git/--no-git", help="make it a git repository")] = True,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="take the defaults; do not ask")] = False,
) -> None:
    """Begin a new fleet: inventory, settings, nightly check, README, in a folder of their own.

    Asks for what no option gives. Overwrites nothing: files that are there already are left, and a
    file in the way is told.

    Exit status: 0 the repository is there, 1 the input is wrong or it can't be written.
    """
    given = {
        "name": name,
        "group": group,
        "user": user,
        "key": key,
        "image": image,
        "nightly": nightly,
    }
    asked = questions(folder)
    wrong = [
        _wrong(one, value)
        for one in asked
        if (value := given[one.field]) is not None and not one.fits(value)
    ]
    try:
        _refuse("the options are wrong; nothing was written.", wrong)
        if not (yes or sys.stdin.isatty() or None not in given.values()):
            typer.echo("torchrack init: nobody can be asked here: give --yes", err=True)
            raise typer.Exit(1)
        answers = Answers(**{one.field: given[one.field] or _answer(one, yes) for one in asked})
        written = repository.write(folder, repository.files(answers, source.of()))
    except ProblemsError as error:
        print_problems("Init", error.problems)
        typer.echo(f"torchrack init: {error}", err=True)
        raise typer.Exit(1) from None
    if not written:
        typer.echo(f"{folder} is there already, as asked for: nothing was changed.")
        return
    if git:
        _make_repository(folder)
    for path in written:
        typer.echo(f"  {folder / path}")
    inventory = f"inventories/{answers.name}.py"
    typer.echo(
        f"\nThe fleet {answers.name} has no host yet. Next:\n\n"
        f"  cd {folder} && make deps\n"
        f"  .venv/bin/torchrack doctor {inventory}\n"
        f"  .venv/bin/torchrack onboard {inventory} --name gpu01 --address ADDRESS --user LOGIN"
    )


def _answer(question: Question, yes: bool) -> str:
    while not yes:
        text: str = typer.prompt(question.text, default=question.default, err=True).strip()
        if question.fits(text):
            return text
        typer.echo(f"{text!r} will not do: {question.needed}", err=True)
    return question.default


def _wrong(question: Question, value: str) -> Problem:
    what = f"--{question.field}"
    return Problem("torchrack init", what, repr(value), question.needed, "correct it")


def _refuse(message: str, problems: list[Problem]) -> None:
    if problems:
        raise ProblemsError(message, problems)


def _make_repository(folder: Path) -> None:
    """Make the folder a git repository, unless it is in one or there is no git."""
    try:
        inside = subprocess.run(
            ["git", "-C", folder, "rev-parse", "--is-inside-work-tree"],
            capture_output=True,
            check=False,
        )
        if inside.returncode:
            subprocess.run(["git", "init", "--quiet", folder], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        typer.echo(f"torchrack init: {folder} is no git repository: {error}", err=True)
