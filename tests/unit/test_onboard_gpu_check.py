"""The GPU check: what is asked, and what recorded answers mean."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from torchrack.images.facts import ImageFacts
from torchrack.nvidia_smi import State
from torchrack.onboard.gpu_check import GpuCheck, check_gpus
from torchrack.onboard.gpu_check.ask import container_script, count_script
from torchrack.onboard.gpu_check.image import Chosen, choose
from torchrack.onboard.gpu_check.judge import judge
from torchrack.onboard.gpu_check.read import Counted, InContainer, Smi, counted, in_container
from torchrack.remote import Answer
from torchrack.settings import Images, Settings, Workload, Workloads
from torchrack.settings.model import merge

ROOT = Path(__file__).parents[2]
FIXTURES = Path(__file__).parent / "fixtures" / "onboard"
DIGEST = "sha256:1a1d4ab2168c74b85806876759d28238129908ba8e6394ec4eedbc2fd6be4d83"
PINNED = f"registry.example:5000/torchrack/pytorch@{DIGEST}"
REFERENCE = f"registry.example:5000/torchrack/pytorch:2.13.0-cpu-py311@{DIGEST}"
GPUS = ("0000:3b:00.0", "0000:4c:00.0")
BOTH = Smi(State.OK, usable=GPUS)
CUDA = ImageFacts("", torch="2.9.0", cuda="13.0")


def settings(*workloads: Workload, **catalog: str) -> Settings:
    return merge(
        [
            {
                "images": Images(catalog=catalog or {"pytorch": REFERENCE}),
                "workloads": Workloads(containers=list(workloads)),
            }
        ]
    )


def workload(image: str, **more: Any) -> Workload:
    return Workload(name=f"of-{image}", kind="container", image=image, **more)


def recorded(name: str) -> InContainer:
    answer = json.loads((FIXTURES / f"gpu-container-{name}.json").read_text())
    return in_container(answer["out"], answer["err"])


def lines(name: str) -> list[str]:
    return (FIXTURES / name).read_text().splitlines()


def torch(**said: Any) -> InContainer:
    steps = [
        {"device": f"cuda:{n}", "before": 67.2, "after": 53.2, "seconds": 0.4} for n in range(2)
    ]
    program = {"torch": "2.9.0+cu130", "cuda": "13.0", "count": 2, "error": "", "steps": steps}
    return InContainer(0, smi=BOTH, torch=program | said, torch_status=0)


def judged(
    inside: InContainer | None,
    *,
    smi: Smi = BOTH,
    on_pci: tuple[str, ...] = GPUS,
    facts: ImageFacts | None = CUDA,
) -> GpuCheck:
    chosen = Chosen("pytorch", REFERENCE, "1000:1000", facts)
    return judge("gpu01", Counted(on_pci, smi, {"pytorch": facts}), chosen, inside, seconds=240)


# What is asked


def test_the_container_gets_gpus_by_cdi_and_nothing_else() -> None:
    text = container_script(REFERENCE, "1000:1000", 240)
    assert "--device nvidia.com/gpu=all" in text
    assert "--network none" in text
    assert "--cap-drop ALL" in text
    assert "no-new-privileges" in text
    assert "--pull never" in text
    assert f"image={PINNED}" in text
    client = text.replace("DOCKER_HOST=unix:///var/run/docker.sock", "")
    for never in ("--gpus", "--privileged", "docker.sock", "--volume", "--mount", "--cap-add"):
        assert never not in client


def test_two_checks_have_containers_of_two_names() -> None:
    names = {container_script(REFERENCE, "1000:1000", 240).splitlines()[0] for _ in range(2)}
    assert len(names) == 2


DOCKER = """#!/bin/sh
printf '%.60s\n' "$*" >> {log}
[ "$1" = rm ] || {run}
"""


def container_run(tmp_path: Path, run: str) -> subprocess.Popen[str]:
    """Start the script with a docker that only notes what it was told."""
    docker = tmp_path / "docker"
    docker.write_text(DOCKER.format(log=tmp_path / "log", run=run))
    docker.chmod(0o755)
    text = container_script(REFERENCE, "1000:1000", 1)
    text = text.replace("PATH=", f"PATH={tmp_path}:")
    return subprocess.Popen(["/bin/sh", "-c", text], stdout=subprocess.PIPE, text=True)


def name_of(line: str) -> str:
    return line.split("torchrack-gpu-check-")[1].split(maxsplit=1)[0]


@pytest.mark.parametrize("run", ["exit 0", "exit 125"])
def test_the_container_is_removed_whatever_came_of_it(tmp_path: Path, run: str) -> None:
    process = container_run(tmp_path, run)
    out, _ = process.communicate(timeout=60)
    assert out.splitlines()[-1] == f"==ended {run[5:]}"
    started, removed = (tmp_path / "log").read_text().splitlines()
    assert started.startswith("run --rm --name torchrack-gpu-check-")
    assert removed.startswith("rm --force torchrack-gpu-check-")
    assert name_of(started) == name_of(removed)


def test_the_container_is_removed_when_the_script_is_ended(tmp_path: Path) -> None:
    process = container_run(tmp_path, "exec sleep 0.5")
    while not (tmp_path / "log").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert "rm --force" in (tmp_path / "log").read_text()


def test_a_healthy_host_takes_two_round_trips() -> None:
    answers = [
        Answer(lines("gpu-count.out"), []),
        Answer(lines("gpu-container.out"), ["a warning"]),
    ]
    asked: list[tuple[str, int]] = []

    def run(text: str, *, seconds: int) -> Answer:
        asked.append((text, seconds))
        return answers.pop(0)

    session = SimpleNamespace(run=run, host=SimpleNamespace(name="gpu01"))
    found = check_gpus(session, settings(), seconds=100)
    assert (found.on_pci, found.on_host, found.in_container, found.by_torch) == (2, 2, 2, 0)
    assert (found.torch, found.cuda, found.image) == ("2.13.0+cpu", None, PINNED)
    assert [step.device for step in found.steps] == ["cpu"]
    assert found.problems == ()
    assert "without CUDA, as its image declares" in found.notes[0]
    assert f"pytorch\t{PINNED}" in asked[0][0]
    assert asked[1][1] > 100


def test_no_container_without_a_gpu_or_an_image() -> None:
    for change in (("0000:", "#"), ('pytorch\t{"', 'pytorch\t# {"')):
        text = (FIXTURES / "gpu-count.out").read_text().replace(*change)
        if change[0] == "0000:":
            text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        answers = [Answer(text.splitlines(), [])]
        session = SimpleNamespace(
            run=lambda text, *, seconds, answers=answers: answers.pop(0),
            host=SimpleNamespace(name="gpu01"),
        )
        assert len(check_gpus(session, settings()).problems) == 1


STUB = """
import types
__version__ = "2.9.0+cu130"
version = types.SimpleNamespace(cuda={cuda!r})
def _init():
    {init}
cuda = types.SimpleNamespace(init=_init, device_count=lambda: 2)
def manual_seed(seed):
    raise RuntimeError("CUDA error: an illegal memory access")
"""


@pytest.mark.parametrize(
    ("cuda", "init", "told", "devices"),
    [
        ("13.0", "pass", (2, ""), ["cuda:0", "cuda:1"]),
        ("13.0", "raise RuntimeError('too old')", (0, "RuntimeError: too old"), []),
        (None, "raise AssertionError", (0, ""), ["cpu"]),
    ],
)
def test_the_program_tells_what_came_of_each_device(
    tmp_path: Path, cuda: str | None, init: str, told: tuple[int, str], devices: list[str]
) -> None:
    """With a stand-in for PyTorch in which every step fails; the lab runs it with the real one."""
    (tmp_path / "torch.py").write_text(STUB.format(cuda=cuda, init=init))
    program = (ROOT / "files" / "onboard" / "gpu_train.py").read_text()
    done = subprocess.run(
        [sys.executable, "-c", f"SECONDS = 60\n{program}"],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = in_container(["==torch", *done.stdout.splitlines(), "==rc 0", "==ended 0"], []).torch
    assert (found["torch"], found["cuda"]) == ("2.9.0+cu130", cuda)
    assert (found["count"], found["error"]) == told
    assert [step["device"] for step in found["steps"]] == devices
    assert all("illegal memory access" in step["error"] for step in found["steps"])


# Which image


@pytest.mark.parametrize(
    ("catalog", "facts", "workloads", "expected"),
    [
        ({"a": "torch", "b": "torch"}, ("a", "b"), [workload("b")], "b"),
        ({"a": "torch", "b": "torch"}, ("a", "b"), [workload("b", gpus="none")], "a"),
        ({"tools": "", "b": "torch"}, ("b",), [workload("tools")], "b"),
        ({"tools": "", "b": ""}, (), [workload("b")], "b"),
        ({"tools": ""}, (), [], None),
        ({}, (), [], None),
    ],
)
def test_the_image(
    catalog: dict[str, str],
    facts: tuple[str, ...],
    workloads: list[Workload],
    expected: str | None,
) -> None:
    declared = merge(
        [
            {
                "images": Images(catalog=dict.fromkeys(catalog, REFERENCE)),
                "workloads": Workloads(containers=workloads),
            }
        ]
    )
    states = {name: ImageFacts("", torch="2.9" if name in facts else None) for name in catalog}
    found = choose(declared, states)
    assert (found.name if found else None) == expected


def test_the_user_is_the_workloads() -> None:
    facts = {"pytorch": CUDA}
    assert choose(settings(), facts).user == "1000:1000"
    assert choose(settings(workload("pytorch", user="1234:5")), facts).user == "1234:5"


def test_the_script_asks_for_all_images() -> None:
    text = count_script(settings(a=REFERENCE, b=REFERENCE))
    assert f"a\t{PINNED}\nb\t{PINNED}" in text


# What answers mean


def test_all_well() -> None:
    found = judged(torch())
    assert found.problems == found.notes == ()
    assert (found.on_pci, found.on_host, found.in_container, found.by_torch) == (2, 2, 2, 2)
    assert [step.device for step in found.steps] == ["cuda:0", "cuda:1"]


LOST = Smi(State.OK, usable=GPUS[:1], lost=GPUS[1:])
GONE = Smi(State.OK, usable=GPUS[:1])
DEAD = Smi(State.NOT_LOADED, said="NVIDIA-SMI has failed because")
ONE = {"count": 1, "steps": []}


@pytest.mark.parametrize(
    ("change", "inside", "what", "found"),
    [
        ({"on_pci": ()}, None, "PCI bus", "none"),
        ({"smi": DEAD}, None, "nvidia-smi on the host", "no loaded kernel module: NVIDIA-SMI has"),
        ({"smi": LOST}, replace(torch(**ONE), smi=LOST), "on the host", "0000:4c:00.0 is lost"),
        ({"smi": GONE}, replace(torch(**ONE), smi=GONE), "on the host", "4c:00.0 is not there"),
        ({}, replace(torch(**ONE), smi=GONE), "in the container", "1: 0000:4c:00.0 is not there"),
        ({}, torch(count=1), "GPUs in PyTorch", "1"),
        ({}, torch(count=0, error="RuntimeError: too old"), "GPUs in PyTorch", "0 RuntimeError"),
        ({}, torch(cuda=None, count=0), "PyTorch in image pytorch", "built without CUDA"),
        ({"facts": ImageFacts("")}, torch(cuda=None, count=0), "PyTorch", "built without CUDA"),
        ({"facts": None}, None, "Image pytorch", "not on the host"),
        (
            {},
            torch(steps=[{"device": "cuda:1", "error": "RuntimeError: ECC"}]),
            "Training step on cuda:1",
            "RuntimeError: ECC",
        ),
        (
            {},
            torch(steps=[{"device": "cuda:0", "before": 1, "after": 1.5, "seconds": 1}]),
            "Training step on cuda:0",
            "1 before and 1.5 after",
        ),
        (
            {},
            torch(steps=[{"device": "cuda:0", "before": 1, "after": float("nan"), "seconds": 1}]),
            "Training step on cuda:0",
            "nan after",
        ),
        ({}, recorded("hang"), "Container of image pytorch", "no end after 240 s: Timeout (0:00"),
        ({}, recorded("absent"), "Container of image pytorch", "ended with 125: docker: Error"),
        ({}, recorded("nocdi"), "Container of image pytorch", "unresolvable CDI devices"),
        ({}, recorded("raises"), "PyTorch in image pytorch", "No module named 'nonsense'"),
    ],
)
def test_each_fault_is_one_problem(
    change: dict[str, Any], inside: InContainer | None, what: str, found: str
) -> None:
    problems = judged(inside, **change).problems
    assert len(problems) == 1, problems
    assert problems[0].where == "gpu01"
    assert what in problems[0].what
    assert found in problems[0].found
    assert problems[0].fix


def test_an_image_that_is_none_for_gpus() -> None:
    first, second = judged(recorded("tools")).problems
    assert "is not installed" in first.found
    assert second.found == "no Python in the image"


def test_without_cuda_by_declaration_is_told_and_no_fault() -> None:
    step = {"device": "cpu", "before": 2.0, "after": 1.0, "seconds": 1}
    inside = torch(cuda=None, count=0, torch="2.9.0+cpu", steps=[step])
    found = judged(inside, facts=ImageFacts("", torch="2.9.0", cuda="none"))
    assert found.problems == ()
    assert found.notes[0].startswith("PyTorch 2.9.0+cpu is built without CUDA")


def test_without_cuda_against_what_the_image_states() -> None:
    problem = judged(torch(cuda=None, count=0)).problems[0]
    assert problem.needed == "CUDA 13.0, as the image states"


def test_of_mig_instances_a_process_sees_one() -> None:
    found = judged(replace(torch(count=1), mig=14))
    assert found.problems == ()
    assert "14 MIG instance(s)" in found.notes[0]
    assert judged(replace(torch(count=0, steps=[]), mig=14)).problems


def test_no_image_in_the_catalog() -> None:
    before = Counted(GPUS, BOTH, {})
    (problem,) = judge("gpu01", before, None, None, seconds=240).problems
    assert "images.catalog" in problem.found


def test_pytorch_counts_where_nvidia_smi_fails_in_the_container() -> None:
    inside = replace(torch(), smi=Smi(State.NO_LIBRARY, "no library"))
    (problem,) = judged(inside).problems
    assert problem.what == "nvidia-smi in the container"


def test_several_faults_at_once() -> None:
    steps = [{"device": "cuda:0", "error": "RuntimeError: ECC"}]
    inside = replace(torch(count=1, steps=steps), smi=LOST)
    whats = [problem.what for problem in judged(inside, smi=LOST).problems]
    assert whats == ["GPUs by nvidia-smi on the host", "Training step on cuda:0"]


def test_counts_of_the_recorded_answer() -> None:
    found = counted(lines("gpu-count.out"))
    assert found.on_pci == GPUS
    assert found.smi == BOTH
    assert found.images["pytorch"].torch == "2.13.0"
    assert found.images["pytorch"].cuda == "none"
    assert found.images["tools"].torch is None


def test_an_answer_that_is_cut_off_is_unknown() -> None:
    assert counted(["==pci", GPUS[0], "==smi", "index, name"]).smi.state is State.UNKNOWN
    cut = in_container(["==smi", "index"], [])
    assert (cut.status, cut.smi.state, cut.torch) == (1, State.UNKNOWN, None)
    assert judged(cut).problems


def test_what_libraries_print_is_passed_over() -> None:
    told = torch().torch
    lines = ["{hello", json.dumps(told), '{"torch": "of a library"}', "7", "rc", "==rc 0"]
    assert in_container(["==torch", *lines, "==ended 0"], []).torch == told
