"""Run a deploy file on a fleet with pyinfra, in this process.

pyinfra's own command ends with 0 for a mistyped --limit and for Ctrl-C, stops the whole fleet for
one host's faulty data, and says nothing of hosts that it could not reach. This does the same to
hosts through the same machinery. It stands on pyinfra's internals: the version is pinned for that.

gevent must have patched the standard library before this is imported: see torchrack/entry.py.
"""

from __future__ import annotations

import datetime as dt
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import gevent
import pyinfra
from pyinfra.api import Config, State
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_config, ctx_host, ctx_inventory, ctx_state
from pyinfra_cli.exceptions import UnexpectedExternalError
from pyinfra_cli.inventory import make_inventory
from pyinfra_cli.util import exec_file

from torchrack import difference, ordering
from torchrack.errors import Problem, ProblemsError
from torchrack.run import failures, name_of, stages_of
from torchrack.runner.interrupt import interruptible
from torchrack.runner.model import Change, HostOutcome, Outcome, Verdict
from torchrack.runner.watch import Listener, Said, Watch, parts

_INTERRUPTED = "interrupted; its command may go on there for a while. Run the deploy again"


@dataclass(frozen=True)
class Order:
    """What is to be run.

    Args:
        inventory: the inventory's file.
        deploy_file: the deploy file.
        stages: host to the stages that are run there (all where it is empty); only these hosts.
        approve: called with the plan, before anything is changed; False ends the run. None: no
            plan is made first.
        diff: have operations show what files change to.
    """

    inventory: Path
    deploy_file: Path
    stages: Mapping[str, frozenset[str]]
    approve: Callable[[Outcome], bool] | None = None
    diff: bool = False


def run(order: Order, listener: Listener) -> Outcome:
    """Carry out an order.

    Args:
        order: what is to be run; its hosts are in its inventory.
        listener: is told what happens.

    Returns:
        What became of each host; a run that was interrupted says so.

    Raises:
        TorchrackError: the deploy file can't be loaded; no host was touched.
    """
    stages = tuple(map(name_of, stages_of(order.deploy_file)))
    return _Run(order, stages, listener).outcome()


class _Run:
    def __init__(self, order: Order, stages: tuple[str, ...], listener: Listener) -> None:
        self.order = order
        self.stages = stages
        self.listener = listener
        self.watch = Watch(listener)
        self.started = _now()
        self.refused = ""
        self.problems: tuple[Problem, ...] = ()
        self.state = _state(order)
        self.state.add_callback_handler(self.watch)

    def outcome(self) -> Outcome:
        verdict: Verdict
        logger, handler = pyinfra.logger, Said(self.listener.said)
        level, propagate = logger.level, logger.propagate
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        try:
            verdict = self._go()
        except KeyboardInterrupt:
            verdict = "interrupted"
            self.state.pool.kill(block=False)
            for host, name in self.watch.at.items():
                self.watch.fail(host, name, _INTERRUPTED)
        except PyinfraError as error:  # "No hosts remaining!": each host has its own reason
            verdict = "failed"
            self.watch.run_ended(self.state)
            if not self.watch.failures:
                self.refused = str(error)
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
            with gevent.Timeout(10, False):
                disconnect_all(self.state)
        return self._told(verdict)

    def _go(self) -> Verdict:
        with interruptible():
            self.state.set_stage(StateStage.Connect)
            connect_all(self.state)
            self.state.set_stage(StateStage.Prepare)
            self._prepare()
        if self.refused:
            return "failed"
        if self.order.approve is not None and not self.order.approve(self._plan()):
            return "failed" if self.watch.failures else "planned"
        with interruptible():
            self.state.set_stage(StateStage.Execute)
            run_ops(self.state)
        return "failed" if self.watch.failures else "done"

    def _prepare(self) -> None:
        """Have every host declare its operations; a host that can't is out, the others go on."""
        # Absolute: the stamp looks for its repository, and its folder need not be the current one.
        self.state.current_deploy_filename = str(self.order.deploy_file.resolve())
        waiting = {
            self.state.pool.spawn(self._prepare_host, host): host
            for host in list(self.state.inventory.get_active_hosts())
        }
        broken: set[Host] = set()
        for greenlet in gevent.iwait(list(waiting)):
            host = waiting[greenlet]
            error = greenlet.get()
            if isinstance(error, ProblemsError):
                self.refused, self.problems = str(error), tuple(error.problems)
            elif error is not None:
                self.watch.fail(host.name, "plan | ", _told_of(host, error))
                broken.add(host)
            elif host in self.state.failed_hosts:
                stage, message = failures.get(host, ("plan", "it could not be planned"))
                self.watch.fail(host.name, f"{stage} | ", message)
            else:
                self.listener.planned(host.name)
        if not self.refused:
            self.state.fail_hosts(broken)

    def _prepare_host(self, host: Host) -> BaseException | None:
        try:
            with ctx_config.use(self.state.config.copy()), ctx_host.use(host):
                exec_file(str(self.order.deploy_file.resolve()))
        except (Exception, SystemExit) as error:  # a deploy file is a program
            return None if host in self.state.failed_hosts else error
        return None

    def _plan(self) -> Outcome:
        """Return what the operations would change, as far as can be told before any of them."""
        for op_hash in self.state.get_op_order():
            for host in self.state.inventory.get_active_hosts():
                data = self.state.ops[host].get(op_hash)
                if data is None or not data.operation_meta._maybe_is_change:
                    continue
                said = difference.planned(host, op_hash)
                name = ordering.name_of(self.state, host, op_hash)
                self.watch.changes[host.name].append(Change(host.name, *parts(name), said))
        plan = self._told("failed" if self.watch.failures else "planned")
        self.watch.changes.clear()
        return plan

    def _told(self, verdict: Verdict) -> Outcome:
        return Outcome(
            fleet=str(self.order.inventory),
            verdict=verdict,
            started=self.started,
            finished=_now(),
            stages=self.stages,
            hosts=tuple(self._host(name, verdict) for name in self.order.stages),
            refused=self.refused,
            problems=self.problems,
        )

    def _host(self, name: str, verdict: Verdict) -> HostOutcome:
        failure = self.watch.failures.get(name)
        state = "ok"
        if verdict == "interrupted" and (failure is None or failure.message == _INTERRUPTED):
            state = "interrupted"
        elif failure is not None:
            state = "unreachable" if failure.stage == "connect" else "failed"
        return HostOutcome(
            name=name,
            state=state,  # type: ignore[arg-type]
            changes=tuple(self.watch.changes[name]),
            failure=failure,
            seconds=self.watch.seconds[name],
        )


def _state(order: Order) -> State:
    """Return pyinfra's state of a run, with the hosts of the order alone."""
    pyinfra.is_cli = True  # operations are put in the order of the deploy file's lines
    folder = str(order.deploy_file.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # tasks stand beside the deploy file
    state = State(check_for_changes=order.approve is not None)
    state.cwd = folder
    ctx_state.set(state)
    config = Config()
    config.DIFF = order.diff
    ctx_config.set(config)
    # Without a folder: the inventory has its fleet's group data, wherever this is run.
    inventory = make_inventory(str(order.inventory), cwd=None)
    ctx_inventory.set(inventory)
    for name, stages in order.stages.items():
        if stages:
            inventory.host_data[name]["only"] = ",".join(sorted(stages))
    config.lock_current_state()
    state.init(inventory, config, initial_limit=[inventory.get_host(n) for n in order.stages])
    return state


def _told_of(host: Host, error: BaseException) -> str:
    if isinstance(error, UnexpectedExternalError):  # pyinfra's wrapping of faulty deploy code
        error = error.exception
    text = str(error) or type(error).__name__
    return text if text.startswith(f"{host.name}:") else f"{type(error).__name__}: {text}"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)
