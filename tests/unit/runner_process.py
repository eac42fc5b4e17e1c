"""One run on fake hosts, printed as JSON: the process that tests/unit/test_runner.py starts."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from torchrack.runner.run import Order, run  # isort: skip  # first: it brings gevent's patches
from torchrack.runner.model import Change, Failure, Outcome
from torchrack.runner.output import as_data, closing


class Heard:
    """A listener that keeps which operations began."""

    def __init__(self) -> None:
        self.operations: list[str] = []

    def planned(self, host: str) -> None: ...

    def began(self, stage: str, operation: str) -> None:
        self.operations.append(operation)

    def changed(self, change: Change) -> None: ...

    def failed(self, failure: Failure) -> None: ...

    def said(self, message: str) -> None: ...


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    given = parser.parse_args()
    plans: list[Outcome] = []

    def approve(plan: Outcome) -> bool:
        plans.append(plan)
        return False

    stages = dict.fromkeys(("@fake/good", "@fake/bad"), frozenset(given.only))
    files = given.folder / "fleet.py", given.folder / "deploy.py"
    heard = Heard()
    outcome = run(Order(*files, stages, approve if given.plan else None), heard)
    outcome = plans[0] if plans else outcome
    told = {"data": as_data(outcome), "began": heard.operations, "closing": closing(outcome)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
