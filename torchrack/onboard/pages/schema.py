"""The published shape of the verdicts' JSON: docs/onboard.schema.json is made of this.

``python -m torchrack.onboard.pages.schema > docs/onboard.schema.json``
"""

from __future__ import annotations

import datetime as dt
import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from torchrack.errors import Problem
from torchrack.onboard.gpu_check import GpuCheck
from torchrack.onboard.hardware import Hardware
from torchrack.onboard.model import StepName, StepState, Verdict
from torchrack.onboard.state_tests import StateTests


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)


class StepData(_Strict):
    """A step."""

    name: StepName
    state: StepState = Field(
        description="done: made true now; already: was true; planned: a dry run would; "
        "left: not come to"
    )
    said: str = Field(description="a sentence for people")
    seconds: float
    problems: list[Problem] = Field(description="what is in the way; empty unless it failed")


class ServerData(_Strict):
    """What came of one server."""

    name: str
    address: str
    port: int
    user: str = Field(description="account of the first login")
    admin: str = Field(description="account that the fleet deploys with")
    group: str | None = Field(description="group of the inventory; null: its only one")
    verdict: Verdict = Field(
        description="stopped: --until was reached; planned: a dry run found nothing in the way"
    )
    seconds: float = Field(description="of all steps")
    steps: list[StepData] = Field(description="all of them, in their order")
    hardware: Hardware | None = Field(description="null: not come to")
    gpus: GpuCheck | None = Field(description="null: not come to")
    state: StateTests | None = Field(description="null: not come to")
    facts: dict[str, JsonValue] = Field(description="heading to facts for people")
    next: str = Field(description="the command that comes next, or empty")


class OnboardData(_Strict):
    """The result of torchrack onboard."""

    schema_: Literal[1] = Field(alias="schema")
    inventory: str
    finished: dt.datetime
    servers: list[ServerData]


def text() -> str:
    """Return the JSON schema."""
    data = OnboardData.model_json_schema(by_alias=True, mode="serialization")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "torchrack onboard"}
    return json.dumps(data | head, indent=2) + "\n"


if __name__ == "__main__":
    print(text(), end="")
