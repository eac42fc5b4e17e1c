"""One host's deploy, looked at: each operation as far as its first command."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pyinfra.context import ctx_host

from torchrack import difference
from torchrack.difference import Difference
from torchrack.drift import fixes
from torchrack.drift.model import Class, Finding
from torchrack.drift.severity import severity_of
from torchrack.drift.stand_in import HostStandIn
from torchrack.errors import HostError, Problem, StageError
from torchrack.facts import answers
from torchrack.facts.answers import Answers, FactError, Missing, Request
from torchrack.operations import declared
from torchrack.operations.declared import Declared
from torchrack.operations.guard import Refusal
from torchrack.run import Stage, name_of


@dataclass
class Evaluation:
    """What came of a look.

    Args:
        findings: what would be changed, in the order of the stages.
        missing: facts that have to be asked for before the rest can be told.
        unsure: stages of which something could not be checked.
    """

    findings: list[Finding] = field(default_factory=list)
    missing: list[Request] = field(default_factory=list)
    unsure: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Context:
    """What findings are made from, beside the operations.

    Args:
        host: the host.
        inventory: path of the inventory, for the commands that mend.
        deployed: operation to hash, as the host's stamp has them; None without a stamp.
    """

    host: HostStandIn
    inventory: str
    deployed: dict[str, str] | None


def evaluate(stages: Sequence[Stage], known: Answers, context: Context) -> Evaluation:
    """Look at all stages of a host, with the facts that are known.

    Args:
        stages: the stages of the deploy, without preflight.
        known: the host's answers so far.
        context: the host, and what its stamp says.
    """
    result = Evaluation()
    with ctx_host.use(context.host), answers.reading(known):
        for stage in stages:
            _stage(stage, context, result)
    return result


def _stage(stage: Stage, context: Context, result: Evaluation) -> None:
    name = name_of(stage)
    inner = getattr(stage, "_inner", stage)  # without what pyinfra's @deploy does around it
    try:
        with declared.collecting() as operations:
            inner()
    except Missing as missing:
        result.missing.append(missing.request)
        return
    except HostError as error:
        _note(result, name, _told(name, context, "stage", error.problem, error))
        return
    except Exception as error:
        _note(result, name, _told(name, context, "stage", _fault(context, error), error))
        return
    before = ""
    for operation in operations:
        refused = _operation(name, operation, context, result, before)
        if isinstance(refused, StageError):
            before = before or refused.problem.fix


def _operation(
    stage: str, operation: Declared, context: Context, result: Evaluation, before: str
) -> Exception | None:
    """Look at one operation; return the error by which it refuses.

    Args:
        stage: the stage's name.
        operation: the operation.
        context: the host.
        result: takes the findings.
        before: what has to be done before a deploy gets as far; empty: nothing.
    """
    try:
        with difference.collecting() as heard:
            command = next(iter(operation.generator(**operation.arguments)), None)
    except Missing as missing:
        result.missing.append(missing.request)
        return None
    if command is None:
        return None
    refused = None
    if isinstance(command, Refusal):
        error = command.error
        problem = error.problem if isinstance(error, HostError) else _fault(context, command)
        _note(result, stage, _told(stage, context, operation.name, problem, error))
        if not isinstance(error, HostError) or isinstance(error, FactError):
            return error
        refused = error
    # The stamp does not write itself down, and says of commits and settings nothing here.
    kind = "drift" if stage == "stamp" else _kind(operation, context)
    if not heard and refused is None and stage != "stamp":
        actual = "something that a deploy would change"
        heard = [Difference(_slug(operation.name), "", expected="as declared", actual=actual)]
    for one in heard:
        finding = _finding(stage, operation, one, kind, context)
        if refused:  # a deploy would refuse as well: what helps is what the refusal says
            finding = replace(finding, fix=refused.problem.fix)
        elif before:
            finding = replace(finding, fix=f"{before}; then {finding.fix}")
        _note(result, stage, finding)
    return refused


def _kind(operation: Declared, context: Context) -> Class:
    """Whether the host was changed, or something else is declared than was deployed."""
    if context.deployed is None:
        return "drift"
    return "drift" if context.deployed.get(operation.name) == operation.digest else "pending"


def _finding(
    stage: str, operation: Declared, one: Difference, kind: Class, context: Context
) -> Finding:
    finding_id = ".".join(filter(None, [stage, one.resource, _slug(one.aspect)]))
    return Finding(
        host=context.host.name,
        id=finding_id,
        stage=stage,
        kind=kind,
        severity=severity_of(finding_id),
        what=operation.name,
        expected=one.expected,
        actual=one.actual,
        fix=fixes.deploy(context.inventory, context.host.name, stage),
        diff=one.diff,
    )


def _told(
    stage: str, context: Context, name: str, problem: Problem, error: Exception | None
) -> Finding:
    """A finding of a problem: unknown where a fact is missing, else drift that a person mends."""
    finding_id = f"{stage}.{_about(problem.what)}"
    unsure = not isinstance(error, HostError) or isinstance(error, FactError)
    return Finding(
        host=context.host.name,
        id=finding_id,
        stage=stage,
        kind="unknown" if unsure else "drift",
        severity="security" if severity_of(finding_id) == "security" else "outage",
        what=f"{name}: {problem.what}",
        expected=problem.needed,
        actual=problem.found,
        fix=problem.fix,
    )


def _note(result: Evaluation, stage: str, finding: Finding) -> None:
    if finding.kind == "unknown":
        result.unsure.add(stage)
    if finding.id not in {one.id for one in result.findings}:  # an operation can use another
        result.findings.append(finding)


def _fault(context: Context, error: Exception | Refusal) -> Problem:
    said = error.message if isinstance(error, Refusal) else f"{type(error).__name__}: {error}"
    return Problem(
        context.host.name,
        "Check",
        said,
        "a check that ends",
        "this is a fault of Torchrack: report it",
    )


def _about(what: str) -> str:
    """The rest of an id: a resource where a problem is about a file, else its words."""
    return f"file:{what}.refused" if what.startswith("/") else _slug(what)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9:/._-]+", "-", text.lower()).strip("-")
