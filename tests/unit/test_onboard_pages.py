"""The verdict's pages: Markdown, HTML, JSON and the terminal say the same."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pydantic import ValidationError
from rich.console import Console

from torchrack.errors import Problem, TorchrackError
from torchrack.onboard.gpu_check import GpuCheck, TrainingStep
from torchrack.onboard.hardware import Disk, GpuFacts, Hardware, Machine, Nic, Processors
from torchrack.onboard.model import STEPS, Newcomer, Onboarded, Step
from torchrack.onboard.pages import GPUS, HARDWARE, STATE, html, markdown, schema
from torchrack.onboard.pages.content import page
from torchrack.onboard.pages.data import as_data
from torchrack.onboard.pages.schema import OnboardData
from torchrack.onboard.pages.table import render
from torchrack.onboard.pages.words import disk_size, duration, memory_size, speed
from torchrack.onboard.pages.write import folder, write
from torchrack.onboard.state_tests import StateTest, StateTests

WHEN = dt.datetime(2026, 11, 25, 23, 20, 7, tzinfo=dt.timezone.utc)
FINGERPRINT = "SHA256:7SKkF6PvobbS9oCNkl5Dije5e8B8dtsLS1+jADhsSz0"
DETAILS = {
    "Host key": {"fingerprint": FINGERPRINT, "trusted": "on first use", "pinned": True},
    "Contract": {"driver": "580.159.04", "warnings": ["old kernel", "no fabric"], "dcgm": None},
    "Notes": ["One line.", "Another."],
    HARDWARE: Hardware(
        machine=Machine("Supermicro", "SYS-821GE", "S512345", "X13DEG", "AMI 2.1", "UEFI", "none"),
        processors=Processors("Xeon 8480+", 2, 112, 224),
        memory=2164181467136,
        system="Ubuntu 24.04.3 LTS",
        kernel="6.8.0-64-generic",
        disks=(Disk("nvme0n1", "SAMSUNG MZQL2", "S64HNG0T", "GDC5902Q", "NVMe", 3840755982336),),
        nics=(Nic("ens1f0np0", "94:6d:ae:12:34:56", "0000:17:00.0", "mlx5_core", "28.39", 400000),),
        gpus=(GpuFacts("0000:1a:00.0", "NVIDIA H200", "GPU-99b8e175", "16546", "96.00", 2**37),),
    ),
    GPUS: GpuCheck(
        image="registry.example/pytorch@sha256:1a1d",
        on_pci=1,
        on_host=1,
        in_container=1,
        by_torch=1,
        torch="2.9.0+cu130",
        cuda="13.0",
        steps=(TrainingStep("cuda:0", 67.21703, 53.23579, 1.25),),
        notes=("A note on the GPUs.",),
    ),
    STATE: StateTests((StateTest("test_driver::test_loaded", "passed", "", 0.1),), 15.2),
}
SAID = {name: f"said of {name}" for name in STEPS}
READY = Onboarded(
    Newcomer("gpu07", "192.0.2.7", "ubuntu", group="gpu"),
    "ready",
    tuple(Step(name, "done", SAID[name], 10.0) for name in STEPS),
    DETAILS,
    "torchrack drift inventories/fleet.py --host gpu07",
)
FACTS = [
    *("gpu07", "ready", "192.0.2.7", "inventories/fleet.py", "2 min 0 s", "2026-11-25 23:20 UTC"),
    *(FINGERPRINT, "on first use", "yes", "old kernel, no fabric", "not known", "Another."),
    *("S512345", "AMI 2.1", "UEFI", "2, 112, 224", "2016 GiB", "6.8.0-64-generic"),
    *("SAMSUNG MZQL2", "S64HNG0T", "GDC5902Q", "3.84 TB", "94:6d:ae:12:34:56", "400 Gbit/s"),
    *("GPU-99b8e175", "16546", "96.00", "128 GiB", "registry.example/pytorch@sha256:1a1d"),
    *("2.9.0+cu130, built for CUDA 13.0", "cuda:0", "67.22", "53.24", "A note on the GPUs."),
    *("1 in 15 s: 1 passed, 0 failed, 0 skipped.", "test_driver::test_loaded"),
    *("torchrack drift inventories/fleet.py --host gpu07", *SAID.values()),
]
HOSTILE = Problem(
    "gpu07",
    "Disk <script>alert(1)</script>",
    "a | b\n## no heading\x1b[31m\x07 `x` [bold]y[/bold]",
    '"quoted" & <b>',
    "see [this](javascript:x)",
)
STUCK = Onboarded(
    Newcomer("gpu08", "gpu08.example", "root", port=2222),
    "not_ready",
    (
        Step("probe", "done", "sshd", 0.2),
        Step("host-key", "failed", "no", 0.1, (HOSTILE, HOSTILE)),
        *(Step(name, "left") for name in STEPS[2:]),
    ),
)


class Text(HTMLParser):
    """All text of a page outside of its style, and its tags."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(source)

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def texts(result: Onboarded) -> tuple[str, str]:
    content = page(result, inventory="inventories/fleet.py", finished=WHEN)
    return markdown.render(content), html.render(content)


def console(*results: Onboarded) -> str:
    out = io.StringIO()
    Console(file=out, width=240, color_system=None).print(render(results))
    return out.getvalue()


@pytest.mark.parametrize("fact", FACTS)
def test_both_pages_say_it(fact: str) -> None:
    as_markdown, as_html = texts(READY)
    assert fact in re.sub(r"\\(.)", r"\1", as_markdown)
    assert fact in "".join(Text(as_html).found)


@pytest.mark.parametrize("result", [READY, STUCK])
def test_html_needs_nothing_else(result: Onboarded) -> None:
    source = texts(result)[1]
    assert not re.findall(r"https?://|url\(|@import", source)
    tags = Text(source).tags
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in tags}
    assert any("default-src 'none'" in (attrs.get("content") or "") for _, attrs in tags)
    assert "prefers-color-scheme: dark" in source


def test_tags_are_closed() -> None:
    source = texts(READY)[1]
    for tag in ("div", "table", "tr", "td", "dl", "details", "ol", "li", "article", "main", "span"):
        assert len(re.findall(f"<{tag}[ >]", source)) == source.count(f"</{tag}>"), tag


def test_nothing_that_a_server_says_is_markup() -> None:
    as_markdown, as_html = texts(STUCK)
    text = "".join(Text(as_html).found)
    assert HOSTILE.what in text
    assert HOSTILE.needed in text
    assert "<script" not in as_html
    line = next(line for line in as_markdown.splitlines() if "alert" in line)
    assert not re.search(r"(?<!\\)[<`*_\[\]]", line)
    assert len(re.findall(r"(?<!\\)\|", line)) == 5
    assert "\x1b" not in as_markdown
    assert "[bold]y[/bold]" in console(STUCK)
    assert "\x1b" not in console(STUCK)


def test_what_is_in_the_way_comes_first_and_once() -> None:
    as_markdown, as_html = texts(STUCK)
    assert as_markdown.index("What is in the way") < as_markdown.index("## Steps")
    assert as_html.index("What is in the way") < as_html.index("<h2>Steps")
    assert as_markdown.count("alert(1)") == "".join(Text(as_html).found).count("alert(1)") == 1
    assert as_markdown.count("not come to") == len(STEPS) - 2
    assert "GPU check" not in as_markdown
    assert "not counted" not in as_markdown


def test_what_was_not_counted_is_said() -> None:
    details = {GPUS: GpuCheck(on_pci=2, problems=(HOSTILE,))}
    as_markdown, _ = texts(replace(STUCK, details=details))
    assert as_markdown.count("not counted") == 3
    assert "2, ?, ?, ?" in console(replace(STUCK, details=details))


def test_the_table_of_a_terminal() -> None:
    shown = console(READY, STUCK)
    first = next(line for line in shown.splitlines() if "gpu07" in line)
    for cell in ("192.0.2.7", "ready", "12 of 12", "1, 1, 1, 1", "1 of 1", "2 min 0 s"):
        assert cell in first
    second = next(line for line in shown.splitlines() if "gpu08.example" in line)
    assert "gpu08.example:2222" in second
    assert "failed: host-key" in second
    assert "gpu07: torchrack drift inventories/fleet.py --host gpu07" in shown
    assert "What is in the way" not in console(READY)


def test_pytorch_without_cuda_is_no_missing_gpu() -> None:
    check = replace(DETAILS[GPUS], by_torch=0, cuda=None)
    assert "1, 1, 1, 0 (built without CUDA)" in console(replace(READY, details={GPUS: check}))


def test_json_has_the_published_shape() -> None:
    data = as_data([READY, STUCK], inventory="inventories/fleet.py", finished=WHEN)
    read = OnboardData.model_validate_json(json.dumps(data))
    first, second = read.servers
    assert first.hardware == DETAILS[HARDWARE]
    assert first.gpus == DETAILS[GPUS]
    assert first.state == DETAILS[STATE]
    assert first.facts["Host key"]["fingerprint"] == FINGERPRINT
    assert second.hardware is None
    assert second.steps[1].problems == [HOSTILE, HOSTILE]
    with pytest.raises(ValidationError):
        OnboardData.model_validate(data | {"more": 1})


def test_facts_of_any_kind_become_json() -> None:
    facts = {"Deploy": {"when": WHEN, "file": Path("a/b"), "hosts": ("x",), 1: None}}
    data = as_data([replace(READY, details=facts)], inventory="x", finished=WHEN)
    assert json.loads(json.dumps(data))["servers"][0]["facts"] == {
        "Deploy": {"when": WHEN.isoformat(), "file": "a/b", "hosts": ["x"], "1": None}
    }


def test_the_published_schema_is_current() -> None:
    published = (Path(__file__).parents[2] / "docs" / "onboard.schema.json").read_text()
    assert published == schema.text()


def test_pages_beside_the_inventory(tmp_path: Path) -> None:
    assert folder(Path("fleets/lab.py")) == Path("fleets/reports/onboard")
    assert folder(Path("fleets/lab.py"), Path("there")) == Path("there")
    into = tmp_path / "reports" / "onboard"
    for _ in range(2):
        pages = write(READY, into, inventory="inventories/fleet.py", finished=WHEN)
    assert sorted(into.iterdir()) == [pages.html, pages.markdown]
    assert (pages.markdown.read_text(), pages.html.read_text()) == texts(READY)


def test_pages_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TorchrackError, match="gpu07 can't be written to"):
        write(READY, tmp_path / "file", inventory="x", finished=WHEN)
    outside = replace(READY, newcomer=replace(READY.newcomer, name="../gpu07"))
    with pytest.raises(TorchrackError, match="can't be the name of a page"):
        write(outside, tmp_path, inventory="x", finished=WHEN)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (duration(0), "0.0 s"),
        (duration(9.96), "10.0 s"),
        (duration(59.6), "1 min 0 s"),
        (duration(192), "3 min 12 s"),
        (duration(3700), "1 h 1 min"),
        (disk_size(480103981056), "480 GB"),
        (disk_size(None), "unknown"),
        (memory_size(None), "unknown"),
        (memory_size(25276502016), "24 GiB"),
        (speed(25000), "25 Gbit/s"),
        (speed(2500), "2.5 Gbit/s"),
        (speed(100), "100 Mbit/s"),
        (speed(None), "not told"),
    ],
)
def test_words(said: str, expected: str) -> None:
    assert said == expected
