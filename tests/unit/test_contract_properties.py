"""What holds for every question to the resolver, whatever it is."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from torchrack.contract import Facts, ImageWish, Wishes, resolve
from torchrack.contract.check import check
from torchrack.contract.requirements import RequirementError, parse, satisfied
from torchrack.gpus import all_gpus
from torchrack.knowledge import builtin

KNOWN = builtin()
TODAY = dt.date(2026, 11, 21)
LABS = ["1db5", "15f8", "1eb8", "20b2", "2684", "2330", "2335", "2342", "2901", "2b85", "3182"]
DEVICES = st.sampled_from([*LABS, *(gpu.device for gpu in all_gpus()), "ffff", "22a3", "nonsense"])
BRANCHES = [str(branch) for branch in KNOWN.branches]
VERSIONS = [version for row in KNOWN.branches.values() for version in row.versions]
TEXT = st.text(max_size=8)
REQUIREMENTS = st.sampled_from(
    ["cuda>=12.6", "cuda>=13.0 brand=tesla,driver>=535", "", "cuda", "x=1"]
)


def auto(*values: str) -> st.SearchStrategy[str]:
    return st.one_of(st.just("auto"), st.sampled_from(values), TEXT)


FACTS = st.builds(
    Facts,
    gpus=st.lists(DEVICES, max_size=4).map(tuple),
    system=st.sampled_from(["ubuntu2404", "ubuntu2204", "debian13", "debian12", "fedora43"]),
    machine=st.sampled_from(["amd64", "arm64"]),
    nvswitches=st.integers(0, 4),
    kernel=st.sampled_from([None, "6.8.0-45-generic", "6.12.9-homebrew", ""]),
    secure_boot=st.sampled_from([None, True, False]),
    dkms_key_enrolled=st.booleans(),
    offered=st.one_of(
        st.none(), st.lists(st.one_of(st.sampled_from(VERSIONS), TEXT), max_size=4).map(tuple)
    ),
)
IMAGES = st.builds(
    ImageWish,
    name=st.sampled_from(["a", "b"]),
    torch=st.one_of(st.none(), auto(*KNOWN.releases, "2.6.1")),
    cuda=auto(*KNOWN.cuda, "12.6.3"),
    python=auto("3.9", "3.12", "3.15"),
    requires=st.lists(REQUIREMENTS, max_size=2).map(tuple),
)
WISHES = st.builds(
    Wishes,
    driver=auto(*BRANCHES, *VERSIONS),
    flavour=auto("open", "proprietary"),
    source=auto("cuda-repo", "ubuntu"),
    modules=auto("dkms", "signed"),
    fabric_manager=auto("yes", "no"),
    toolkit=auto(*KNOWN.toolkits),
    docker=auto("25.0.5", "29.6.1"),
    mig=st.booleans(),
    images=st.lists(IMAGES, max_size=2).map(tuple),
)
MOSTLY_AUTO = st.builds(
    Wishes,
    driver=st.sampled_from(["auto", "auto", *BRANCHES]),
    images=st.lists(st.builds(ImageWish, torch=st.sampled_from([*KNOWN.releases])), max_size=2).map(
        tuple
    ),
)
quickly = settings(derandomize=True, max_examples=100, deadline=None, database=None)


@quickly
@given(FACTS, st.one_of(WISHES, MOSTLY_AUTO))
def test_it_answers_and_its_contracts_stand(facts, wishes):
    answer = resolve(facts, wishes, today=TODAY)
    assert (answer.contract is None) == bool(answer.conflicts)
    if answer.contract:
        assert check(answer.contract, facts, wishes) == []
        assert answer.choices
        assert not answer.nearest


@quickly
@given(st.lists(st.sampled_from(LABS), min_size=1, max_size=3).map(tuple), MOSTLY_AUTO)
def test_contracts_on_ordinary_hosts_stand(gpus, wishes):
    facts = Facts(gpus)
    answer = resolve(facts, wishes, today=TODAY)
    if answer.contract:
        assert check(answer.contract, facts, wishes) == []
        assert answer.contract.builds or answer.warnings


@quickly
@given(FACTS, st.one_of(WISHES, MOSTLY_AUTO), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(facts, wishes, random):
    def shuffled(values):
        return tuple(random.sample(values, len(values)))

    other_facts = replace(
        facts,
        gpus=shuffled(facts.gpus),
        offered=None if facts.offered is None else shuffled(facts.offered),
    )
    other_wishes = replace(
        wishes,
        images=shuffled(
            [replace(image, requires=shuffled(image.requires)) for image in wishes.images]
        ),
    )
    assert resolve(other_facts, other_wishes, today=TODAY) == resolve(facts, wishes, today=TODAY)


@quickly
@given(st.one_of(TEXT, st.text(alphabet="cudaverbn>=<!,. 12367", max_size=20)))
def test_a_requirement_is_parsed_or_refused(text):
    try:
        requirement = parse(text)
    except RequirementError:
        return
    assert satisfied(requirement, {}) in (True, None)
