"""The published shape of a check's JSON: docs/drift.schema.json is made of this.

``python -m torchrack.drift.output.schema > docs/drift.schema.json``
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from torchrack.drift.model import Class, Severity, Verdict
from torchrack.drift.waivers import Waiver


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DeployedData(_Strict):
    """The last deploy that changed the host, as its stamp has it."""

    commit: str | None
    when: dt.datetime
    who: str


class HostData(_Strict):
    """One host."""

    name: str
    findings: int = Field(description="how many; they stand in the list of all")
    checked: list[str] = Field(description="stages that could be checked whole")
    deployed: DeployedData | None
    seconds: float | None = Field(description="null: it did not answer")
    round_trips: int = Field(description="commands run there after the login")


class FindingData(_Strict):
    """One thing that is not as it should be."""

    host: str = Field(description="- for the fleet's own")
    id: str = Field(description="the same from night to night, unique on a host")
    stage: str
    class_: Class = Field(alias="class")
    severity: Severity
    what: str
    expected: str
    actual: str
    fix: str = Field(description="the command, or the act, that mends it")
    diff: str = Field(description="a unified diff, or empty")
    who: str | None
    when: dt.datetime | None
    first_seen: dt.datetime | None = Field(description="null: the history can't be read")
    last_seen: dt.datetime | None
    flapping: bool | None
    waiver: Waiver | None


class CheckData(_Strict):
    """The result of torchrack drift."""

    schema_: Literal[1] = Field(alias="schema")
    verdict: Verdict
    fleet: str
    started: dt.datetime
    finished: dt.datetime
    stages: list[str]
    hosts: list[HostData]
    findings: list[FindingData]


def text() -> str:
    """Return the JSON schema."""
    data = CheckData.model_json_schema(by_alias=True)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "torchrack drift"}
    return json.dumps(data | head, indent=2) + "\n"


if __name__ == "__main__":
    print(text(), end="")
