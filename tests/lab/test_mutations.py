"""The drift check on hosts that were changed behind the deploy's back, in about a hundred ways.

Each change is found under its id, with its class and severity, and the command that the finding
names mends it: first those for the host, then the deploys. Changes that do not touch each other's
ground are tried together, a batch at a time.
"""

from __future__ import annotations

import importlib
import pkgutil
import shlex
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import pytest

import tests.lab.mutations
from tests.lab.fixtures import TRIED
from tests.lab.harness import BIN, Lab, wait_for
from tests.lab.mutation import Mutation, command_in
from tests.lab.test_drift import drift

HOSTS = ("gpu01", "gpu02")
BATCHES = ("files", "units", "access", "system", "daemon", "network", "gpus", "driver")
MUTATIONS: list[Mutation] = sorted(
    (
        entry
        for module in pkgutil.iter_modules(tests.lab.mutations.__path__, "tests.lab.mutations.")
        for entry in importlib.import_module(module.name).MUTATIONS
    ),
    key=lambda entry: BATCHES.index(entry.batch),
)
ENOUGH = 80

_PATIENT = "systemctl reset-failed docker.service 2>/dev/null; "
"""A batch starts the daemon more often in a minute than systemd lets a person."""

_Deploys = dict[str, list[str]]
"""Commands by the name of their host."""


@dataclass
class Outcome:
    """What came of a batch: findings while it was harmed, and those that were left at the end."""

    failed: str = ""
    found: list[dict[str, Any]] = field(default_factory=list)
    left: list[dict[str, Any]] = field(default_factory=list)

    def of(self, mutation: Mutation) -> dict[str, Any] | None:
        """The finding that tells of a mutation."""
        return _named(self.found, mutation.host, mutation.finding)

    def all_of(self, mutation: Mutation) -> list[dict[str, Any]]:
        """This finding, and the others that tell of the same."""
        ids = (mutation.finding, *mutation.also)
        return list(filter(None, (_named(self.found, mutation.host, one) for one in ids)))


@pytest.fixture(scope="module")
def outcomes(calm: Lab) -> _Outcomes:
    return _Outcomes(calm)


class _Outcomes:
    """The outcome of each batch, which is tried when the first of its mutations is asked for."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._known: dict[str, Outcome] = {}

    def of(self, batch: str) -> Outcome:
        if batch not in self._known:
            outcome = self._known[batch] = Outcome()
            _try(self._lab, [one for one in MUTATIONS if one.batch == batch], outcome)
        return self._known[batch]


def _try(lab: Lab, batch: Sequence[Mutation], outcome: Outcome) -> None:
    outcome.failed = _on_hosts(lab, [(one.host, one.name, one.harm) for one in batch])
    outcome.found = drift(lab)[1]["findings"]
    acts = {one: [one.mend] if one.mend else _commands(outcome.all_of(one)) for one in batch}
    names = {(one.host, script): one.name for one in batch for script in acts[one]}
    scripts = [(host, name, f"{_PATIENT}{run}") for (host, run), name in names.items()]
    outcome.failed += _on_hosts(lab, scripts)
    deploys = _settle(lab, outcome, [one for one in batch if acts[one]])
    outcome.failed += _deploy(lab, deploys)
    outcome.failed += _on_hosts(lab, [(o.host, o.name, o.clean) for o in batch if o.clean])
    _settle(lab, outcome)
    if outcome.left:  # what could not be mended must not spoil the next batch
        lab.deploy(check=False)


def _commands(findings: Sequence[dict[str, Any]]) -> list[str]:
    """The commands for the host that findings name; none where the first one names a deploy."""
    commands = [command_in(one["fix"]) for one in findings]
    return list(filter(None, commands)) if commands and commands[0] else []


def _settle(lab: Lab, outcome: Outcome, of: Collection[Mutation] | None = None) -> _Deploys:
    """Look again until findings are gone: a container that was made anew takes a while to answer.

    Args:
        lab: the lab.
        outcome: what was found before; it is told what is left.
        of: the mutations whose findings should be gone; None: nothing may be left.

    Returns:
        The deploys that the findings that are left name, in the order of the stages, by host.
    """
    result: dict[str, Any] = {}

    def is_calm() -> bool:
        result.update(drift(lab)[1])
        outcome.left = result["findings"]
        if of is None:
            return not outcome.left
        return not any(_named(outcome.left, one.host, one.finding) for one in of)

    try:
        wait_for(is_calm, "findings gone", timeout=45)
    except AssertionError:
        outcome.failed += f"\nleft: {[(one['host'], one['id']) for one in outcome.left]}"
    stages = result["stages"]
    left = sorted(outcome.left, key=lambda one: stages.index(one["id"].partition(".")[0]))
    return {
        host: list(dict.fromkeys(f["fix"] for f in left if f["host"] == host and _is_deploy(f)))
        for host in HOSTS
    }


def _is_deploy(finding: dict[str, Any]) -> bool:
    return finding["fix"].startswith("torchrack deploy ")


def _deploy(lab: Lab, commands: _Deploys) -> str:
    """Run the deploys that a host's findings name; return what failed.

    Those of some stages are one deploy of these stages, as ``drift fix`` makes of them.
    """

    def run(host: str) -> str:
        failed = ""
        for program, *arguments in _joined(commands[host]):
            done = lab.run(BIN / program, *arguments, "--yes", check=False)
            failed += f"\n{shlex.join(arguments)}: {done.output}" if done.rc else ""
        return failed

    with ThreadPoolExecutor(len(HOSTS)) as pool:
        return "".join(pool.map(run, HOSTS))


def _joined(commands: Sequence[str]) -> list[list[str]]:
    """Join commands that differ in ``--only`` alone; a deploy of all stages comes last."""
    stages: dict[tuple[str, ...], list[str]] = {}
    for command in commands:
        rest, _, only = command.partition(" --only ")
        stages.setdefault((*shlex.split(rest), *(["--only"] if only else [])), []).extend(
            only.split(",") if only else []
        )
    joined = [
        [*words, *([",".join(dict.fromkeys(only))] if only else [])]
        for words, only in stages.items()
    ]
    return sorted(joined, key=len, reverse=True)


def _on_hosts(lab: Lab, scripts: Sequence[tuple[str, str, str]]) -> str:
    """Run scripts, those of a host one after the other; return the names of those that failed."""

    def run(host: str) -> str:
        parts = [
            f"( {script}\n) >/run/mutation.log 2>&1 || "
            f"{{ echo; echo {shlex.quote(name)} failed:; cat /run/mutation.log; }}"
            for where, name, script in scripts
            if where == host
        ]
        return lab.ssh(host, "\n".join(parts), timeout=300).output if parts else ""

    with ThreadPoolExecutor(len(HOSTS)) as pool:
        return "".join(pool.map(run, HOSTS))


def _named(findings: Sequence[dict[str, Any]], host: str, pattern: str) -> dict[str, Any] | None:
    fits = (one for one in findings if one["host"] == host and fnmatchcase(one["id"], pattern))
    return next(fits, None)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: f"{one.batch}-{one.name}")
def test_what_was_changed_is_found_and_mended(
    outcomes: _Outcomes, mutation: Mutation, request: pytest.FixtureRequest
) -> None:
    tried = request.config.stash.setdefault(TRIED, [])
    outcome = outcomes.of(mutation.batch)
    one = outcome.of(mutation)
    left = _named(outcome.left, mutation.host, mutation.finding)
    tried.append((one is not None, one is not None and left is None, bool(mutation.mend)))

    found = sorted(f["id"] for f in outcome.found if f["host"] == mutation.host)
    assert one is not None, f"not found among {found}\n{outcome.failed}"
    assert (one["class"], one["severity"]) == (mutation.kind, mutation.severity)
    missing = [i for i in mutation.also if not _named(outcome.found, mutation.host, i)]
    assert not missing, f"{missing} not found among {found}"
    assert one["fix"].startswith("torchrack ") or mutation.mend or command_in(one["fix"])
    assert left is None, f"not mended by {mutation.mend or one['fix']}\n{outcome.failed}"


@pytest.mark.parametrize("batch", BATCHES)
def test_each_batch_goes_through_whole(outcomes: _Outcomes, batch: str) -> None:
    outcome = outcomes.of(batch)
    assert outcome.failed == ""
    keys = [(one["host"], one["id"]) for one in outcome.found]
    assert len(keys) == len(set(keys)), "an id twice on one host"


def test_there_are_enough_of_them() -> None:
    assert len(MUTATIONS) >= ENOUGH
    assert len({(one.host, one.finding, one.harm) for one in MUTATIONS}) == len(MUTATIONS)
    assert {one.batch for one in MUTATIONS} == set(BATCHES)
