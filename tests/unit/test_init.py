"""torchrack init: it writes a fleet that Torchrack takes, and overwrites nothing."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from torchrack import atomic, hosts_file
from torchrack.cli import app
from torchrack.drift import waivers
from torchrack.errors import ProblemsError
from torchrack.hosts_file import Entry
from torchrack.init import repository, source
from torchrack.init.answers import Answers, questions
from torchrack.init.source import Source
from torchrack.inventory import load_fleet, load_open

ROOT = Path(__file__).parents[2]
IMAGE = "registry.example.org/ml/pytorch:2.13"
ANSWERS = Answers("lab", "gpu", "torchrack", "~/.ssh/lab", "none", "02:30")
PROGRAM = Path(sys.executable).with_name("torchrack")


def init(*arguments: object):
    return CliRunner().invoke(app, ["init", *map(str, arguments)], env={"COLUMNS": "300"})


def uncommented(text: str) -> str:
    """Return the commented examples of a file as code."""
    lines = re.findall(r"^ *#(?: (.*))?$", text, re.MULTILINE)
    return "\n".join(lines)


def in_place(example: str) -> str:
    """Return a commented example as code where it stands."""
    return re.sub(r"^( *)# ?", r"\1", example, flags=re.MULTILINE)


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one host, which is the current folder."""
    folder = tmp_path / "my fleet"
    assert init(folder, "--yes", "--no-git", "--key", tmp_path / "key").exit_code == 0
    (tmp_path / "key").touch()
    (folder / "inventories/my-fleet.known_hosts").touch()
    monkeypatch.chdir(folder)
    return folder


def test_a_new_fleet_has_no_host_and_takes_its_first(fleet: Path) -> None:
    inventory = fleet / "inventories/my-fleet.py"
    hosts, (group,) = load_open(inventory)
    assert hosts == []
    assert (group.name, group.user) == ("gpu", "torchrack")
    assert group.hosts_file == fleet / "inventories/my-fleet.hosts.yml"
    assert hosts_file.add(group.hosts_file, "gpu", "gpu01", Entry(address="192.0.2.11"))
    (host,) = load_fleet(inventory)
    assert (host.name, host.data["ssh_user"]) == ("gpu01", "torchrack")
    assert host.settings.driver.version == "auto"
    assert "# gpu:\n" in group.hosts_file.read_text(), "the example stays"


def test_its_nightly_job_is_the_one_that_install_timer_prints(fleet: Path) -> None:
    arguments = ["drift", "install-timer", "inventories/my-fleet.py", "--print", "ci"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert done.stdout == Path(".github/workflows/drift.yml").read_text()


def test_its_deploy_runs_as_far_as_the_lock(fleet: Path) -> None:
    hosts = fleet / "inventories/my-fleet.hosts.yml"
    hosts_file.add(hosts, "gpu", "gpu01", Entry(address="192.0.2.11"))
    done = subprocess.run(
        [PROGRAM, "deploy", "inventories/my-fleet.py", "--only", "sshd", "--dry-run"],
        env={**os.environ, "COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "torchrack lock inventories/my-fleet.py" in done.stderr
    assert "Traceback" not in done.stderr


def test_its_deploy_file_is_torchracks_own(fleet: Path) -> None:
    assert Path("deploy.py").read_text() == (ROOT / "deploy.py").read_text()


def test_commands_of_the_readme_are_there(fleet: Path) -> None:
    commands = re.findall(r"^\.venv/bin/torchrack ([a-z]+)", Path("README.md").read_text(), re.M)
    assert {"doctor", "onboard", "drift", "deploy", "lock"} == set(commands)


def test_make_knows_what_to_do(fleet: Path) -> None:
    done = subprocess.run(["make", "-n", "deps"], capture_output=True, text=True, check=True)
    assert f"--editable {ROOT}" in done.stdout or "checkout --quiet --detach" in done.stdout


def test_a_commit_that_others_can_get_is_named() -> None:
    made = repository.files(ANSWERS, Source("https://git.example.org/torchrack.git", "abc123"))
    makefile = made["Makefile"]
    assert "TORCHRACK := https://git.example.org/torchrack.git\nCOMMIT := abc123\n" in makefile
    assert "git clone --quiet $(TORCHRACK) $(SOURCE)" in makefile


@pytest.mark.parametrize("image", ["none", IMAGE])
def test_settings_and_their_examples_are_right(
    image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torchrack.settings.check.which", lambda _: "/usr/bin/pass")
    made = repository.files(Answers(**{**vars(ANSWERS), "image": image}), Source("/x"))
    settings = made["group_data/all.py"].replace(
        '"""\n\n', '"""\n\nfrom torchrack.settings import *\ndel SECTIONS\n', 1
    )
    for example in (
        r"^# workloads = .*?^# \)$",
        r"^# images = .*?^# \)$",
        r"^    # reg.*?^    # \],$",
    ):
        settings = re.sub(example, lambda found: in_place(found[0]), settings, flags=re.M | re.S)
    for path, text in {
        "lab.hosts.yml": "gpu:\n  gpu01:\n    address: 192.0.2.11\n    key: key\n",
        "lab.known_hosts": "",
        "lab.py": made["inventories/lab.py"],
        "group_data/all.py": settings,
        "key": "",
    }.items():
        atomic.write(tmp_path / path, text)
    (host,) = load_fleet(tmp_path / "lab.py")
    assert [one.name for one in host.settings.workloads.containers] == ["notebook"]
    assert host.settings.images.catalog == {"pytorch": IMAGE}
    assert [one.username for one in host.settings.images.registries] == ["puller"]


def test_the_examples_of_the_yaml_files_are_right(tmp_path: Path) -> None:
    made = repository.files(ANSWERS, Source("/x"))
    for name in ("lab.hosts.yml", "lab.waivers.yml"):
        text = uncommented(made[f"inventories/{name}"])
        (tmp_path / name).write_text(text.split("\n\n", 1)[1])
    assert hosts_file.read(tmp_path / "lab.hosts.yml") == {
        "gpu": {"gpu01": Entry(address="192.0.2.11", user="torchrack", key="~/.ssh/lab")}
    }
    (waiver,) = waivers.read(tmp_path / "lab.waivers.yml")
    assert waiver.owner == "ann"


def test_secrets_are_not_for_git(fleet: Path) -> None:
    subprocess.run(["git", "init", "-q", "."], check=True)
    names = ["secrets/pull", "gpu07.user-data.yml", ".env", "x.key", ".venv/x", ".torchrack/x"]
    done = subprocess.run(
        ["git", "check-ignore", *names], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == names
    done = subprocess.run(
        ["git", "status", "--short", "-uall"], capture_output=True, text=True, check=True
    )
    assert "inventories/my-fleet.known_hosts" in done.stdout


def test_it_becomes_a_git_repository_unless_it_is_in_one(tmp_path: Path) -> None:
    assert init(tmp_path / "lab", "--yes").exit_code == 0
    assert (tmp_path / "lab/.git").is_dir()
    assert init(tmp_path / "lab/inner", "--yes").exit_code == 0
    assert not (tmp_path / "lab/inner/.git").exists()


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    first = init(folder, "--yes")
    assert "torchrack doctor inventories/lab.py" in first.stdout
    before = {
        path: path.stat().st_mtime_ns for path in folder.rglob("*") if ".git/" not in str(path)
    }
    second = init(folder, "--yes")
    assert (second.exit_code, "nothing was changed" in second.stdout) == (0, True)
    assert before == {
        path: path.stat().st_mtime_ns for path in folder.rglob("*") if ".git/" not in str(path)
    }


def test_nothing_is_overwritten_and_all_that_is_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine\n")
    (tmp_path / "deploy.py").mkdir()
    (tmp_path / "notes").write_text("mine\n")
    done = init(tmp_path, "--yes", "--no-git")
    assert done.exit_code == 1
    assert "README.md" in done.stderr
    assert "deploy.py" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "deploy.py", "notes"]
    assert (tmp_path / "README.md").read_text() == "mine\n"


def test_a_folder_with_other_files_is_fine(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("mine\n")
    assert init(tmp_path, "--yes", "--no-git", "--name", "lab").exit_code == 0
    assert (tmp_path / "inventories/lab.py").is_file()


@pytest.mark.parametrize("there", [True, False])
def test_a_disk_that_is_full_leaves_nothing(there, tmp_path, monkeypatch) -> None:
    folder = tmp_path / "lab"
    if there:
        folder.mkdir()
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(ProblemsError):
        repository.write(folder, repository.files(ANSWERS, Source("/x")))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert folder.exists() == there


@pytest.mark.parametrize(
    "arguments",
    [
        ("--name", "a b"),
        ("--name", "all"),
        ("--name", "a.b"),
        ("--group", "class"),
        ("--group", "_gpu"),
        ("--group", "check_fleet"),
        ("--user", "root"),
        ("--user", "Ann"),
        ("--key", "~/.ssh/lab.pub"),
        ("--key", 'x"y'),
        ("--image", "pytorch"),
        ("--nightly", "25:00"),
    ],
)
def test_wrong_options(arguments: tuple[str, str], tmp_path: Path) -> None:
    done = init(tmp_path / "lab", "--yes", *arguments, "--no-git")
    assert done.exit_code == 1
    assert arguments[0] in done.stderr
    assert not (tmp_path / "lab").exists()


def test_nobody_to_ask(tmp_path: Path) -> None:
    done = init(tmp_path / "lab")
    assert (done.exit_code, "give --yes" in done.stderr) == (1, True)
    assert not (tmp_path / "lab").exists()


def test_at_most_six_questions_each_with_an_answer_that_fits(tmp_path: Path) -> None:
    for folder in (tmp_path / "lab", tmp_path / "4 a's", tmp_path / "all", tmp_path / "ü"):
        asked = questions(folder)
        assert len(asked) <= 6
        assert [one.field for one in asked if not one.fits(one.default)] == []


def test_a_terminal_is_asked_and_asked_again(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, b"\n9 lives\ncats\n\n\n%s\n\n" % IMAGE.encode())
    done = subprocess.run(
        [PROGRAM, "init", tmp_path / "lab", "--nightly", "04:00"],
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    assert "'9 lives' will not do: a name in Python" in done.stderr
    made = tmp_path / "lab"
    assert 'cats = hosts_of(__file__, "cats"' in (made / "inventories/lab.py").read_text()
    assert IMAGE in (made / "group_data/all.py").read_text()
    assert '"0 4 * * *"' in (made / ".github/workflows/drift.yml").read_text()


def test_where_torchrack_comes_from(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        done = subprocess.run(
            ["git", "-C", tmp_path, *identity, *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert source.of(tmp_path) == Source(str(tmp_path))
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "a")
    head = git("rev-parse", "HEAD")
    git("remote", "add", "origin", "https://ann:token@git.example.org/torchrack.git")
    assert source.of(tmp_path) == Source(str(tmp_path)), "the remote does not have the commit"
    git("update-ref", "refs/remotes/origin/main", "HEAD")
    assert source.of(tmp_path) == Source("https://git.example.org/torchrack.git", head)
    git("remote", "set-url", "origin", "git@git.example.org:torchrack.git")
    assert source.of(tmp_path) == Source("git@git.example.org:torchrack.git", head)
    git("remote", "set-url", "origin", "/srv/torchrack")
    assert source.of(tmp_path) == Source(str(tmp_path))
    git("remote", "set-url", "origin", "git@git.example.org:torchrack.git")
    (tmp_path / "changed").touch()
    assert source.of(tmp_path) == Source(str(tmp_path))
