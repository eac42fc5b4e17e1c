"""An installation as a transaction: planned, shown, judged, and only then carried out."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pyinfra import host

from torchrack.apt.refusals import Allowed, refusals
from torchrack.errors import HostError, Problem
from torchrack.facts.apt_plan import AptPlan
from torchrack.facts.gather import gather


def announce(packages: Sequence[str], *, options: Sequence[str], pinning: str = "") -> None:
    """In a dry run, and before a run asks whether to go on: show what apt would do.

    A host that does not know the packages yet (its repository is set up by the same run) can't
    plan; that is said in the place of the plan. While a run is carried out nothing is shown here.

    Args:
        packages: what apt is going to be told.
        options: apt's options.
        pinning: the driver's pinning package with its version.
    """
    if host.state.is_executing:
        return
    plan = gather(AptPlan, packages=list(packages), options=list(options), pinning=pinning)
    if plan.errors:
        host.log(f"apt can't plan this yet, before its repositories are set up: {plan.errors[-1]}")
    else:
        host.log(f"apt would {plan.summary()}")


def approve(
    allowed: Allowed,
    packages: Sequence[str],
    *,
    what: str,
    options: Sequence[str],
    pinning: str = "",
) -> None:
    """Let apt plan an installation, and stop the host if the plan goes beyond what is allowed.

    Args:
        allowed: what it may do.
        packages: what apt is going to be told.
        what: what is installed, for messages.
        options: apt's options.
        pinning: the driver's pinning package with its version.

    Raises:
        HostError: the plan is refused; nothing was installed.
    """
    plan = gather(AptPlan, packages=list(packages), options=list(options), pinning=pinning)
    found = refusals(plan, allowed)
    if not found:
        host.log(f"apt will {plan.summary()}")
        return
    names = " ".join(map(shlex.quote, allowed.versions))
    removes = any(one.rule == "removal" for one in found)
    remove = (
        ". What would be removed and is not ours is yours to keep or to remove (sudo apt-get "
        "remove keeps its configuration files, a purge deletes them)"
    )
    raise HostError(
        Problem(
            where=host.name,
            what=f"apt's plan for {what}",
            found="; ".join(map(str, found)),
            needed="the versions of the lock, from their own repository, and nothing else changed",
            fix=f"look at apt-cache policy {names} on the host. If the repository no longer has a "
            "locked version, torchrack lock --upgrade moves on to another"
            + (remove if removes else ""),
        )
    )
