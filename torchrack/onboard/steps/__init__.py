"""What is done with one newcomer: a function a step, which looks, does what is missing, proves.

Each raises HostError or ProblemsError where the newcomer can't go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torchrack.onboard.model import StepName
from torchrack.onboard.steps import arrive, enter, examine, prove, settle
from torchrack.onboard.work import Said, Work

ALONE: Mapping[StepName, Callable[[Work], Said]] = {
    "probe": arrive.probe_host,
    "host-key": arrive.host_key,
    "login": enter.login,
    "facts": examine.facts,
    "preflight": examine.preflight,
    "contract": examine.contract,
    "admin": settle.admin,
    "inventory": settle.inventory,
    "gpu": prove.gpu,
    "state": prove.state,
}
"""The steps that each newcomer takes by itself; "lock" and "deploy" are for all together."""
