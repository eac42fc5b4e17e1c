"""The steps of one newcomer, with the parts that they call replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from paramiko import ECDSAKey, PKey
from rich.console import Console

from torchrack.connect import connection_data
from torchrack.contract.model import Answer, Conflict
from torchrack.contract.plan import HostPlan, Planned
from torchrack.errors import HostError, Problem, ProblemsError
from torchrack.facts.survey import PciFunction, Survey
from torchrack.hosts_file import Entry
from torchrack.inventory import FleetHost, OpenGroup
from torchrack.onboard import pins
from torchrack.onboard.credentials import Given, Password
from torchrack.onboard.gpu_check import GpuCheck
from torchrack.onboard.hardware import Hardware
from torchrack.onboard.hosts_list import Row
from torchrack.onboard.joining import Joining
from torchrack.onboard.model import Newcomer
from torchrack.onboard.probe import Probe
from torchrack.onboard.show import Show
from torchrack.onboard.state_tests import StateTest, StateTests
from torchrack.onboard.steps import arrive, enter, examine, prove, settle
from torchrack.onboard.work import Said, Terms, Work
from torchrack.preflight.facts import HostFacts
from torchrack.settings.model import merge

PROBLEM = Problem("gpu07", "What", "found", "needed", "fix")
SURVEY = Survey(
    "debian", "13", "trixie", "amd64", "6.12.9", "debian",
    (PciFunction("0000:01:00.0", "2335", "030200"),),
)  # fmt: skip


class Heard(Show):
    """What is shown, kept."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True), ["gpu07"], 12)
        self.notes: list[str] = []

    def note(self, host: str, text: str) -> None:
        self.notes.append(text)


def work(tmp_path: Path, *, listed: bool = False, given: bool = True, **terms: Any) -> Work:
    data = connection_data(
        address="10.0.0.7", port=22, user="torchrack", known_hosts="k", key=None, agent=False
    )
    files = {"_lock_file": str(tmp_path / "lock.yml"), "_inventory_file": str(tmp_path / "f.py")}
    host = FleetHost("gpu07", data | files, merge([]))
    group = OpenGroup("gpu", tmp_path / "f.hosts.yml", tmp_path / "pins", "torchrack", None)
    joining = Joining(
        Newcomer("gpu07", "10.0.0.7", "debian"),
        Row(name="gpu07", address="10.0.0.7"),
        host,
        listed,
        None if listed else group,
        None if listed else Entry(address="10.0.0.7"),
    )
    order = Terms(tmp_path / "f.py", Path("deploy.py"), **terms)
    password = Password("hunter2")
    login = Given(password, password) if given else None
    return Work(joining, login, order, Heard(), tmp_path / "pins")


@pytest.fixture(scope="module")
def keys() -> list[PKey]:
    return [ECDSAKey.generate() for _ in range(2)]


def shown(one: Work, key: PKey) -> Work:
    one.probe = Probe("SSH-2.0-OpenSSH_10.0", "Debian 13", key)
    return one


def test_a_key_that_is_trusted_is_pinned_and_then_already(tmp_path: Path, keys: list[PKey]) -> None:
    one = shown(work(tmp_path, trust_first_use=True), keys[0])

    first, second = arrive.host_key(one), arrive.host_key(one)

    assert (first.state, second.state) == ("done", "already")
    assert "nobody has verified it" in first.text
    assert "nobody has verified it" in second.text
    assert pins.pinned(tmp_path / "pins", "10.0.0.7", 22) == [keys[0]]


def test_another_port_of_the_same_address_may_show_the_same_key(
    tmp_path: Path, keys: list[PKey]
) -> None:
    pins.pin(tmp_path / "pins", "10.0.0.7", 2222, keys[0])

    assert arrive.host_key(shown(work(tmp_path, trust_first_use=True), keys[0])).state == "done"
    assert pins.pinned(tmp_path / "pins", "10.0.0.7", 22) == [keys[0]]


def test_a_key_that_is_verified_later_is_unverified_no_more(
    tmp_path: Path, keys: list[PKey]
) -> None:
    arrive.host_key(shown(work(tmp_path, trust_first_use=True), keys[0]))
    one = shown(work(tmp_path), keys[0])
    newcomer = replace(one.newcomer, host_key=pins.fingerprint(keys[0]))
    one.joining = replace(one.joining, newcomer=newcomer)

    said = arrive.host_key(one)

    assert (said.state, "verified" in said.text) == ("already", False)
    assert "verified" not in arrive.host_key(shown(work(tmp_path), keys[0])).text
    assert pins.pinned(tmp_path / "pins", "10.0.0.7", 22) == [keys[0]]


def test_a_key_that_nobody_trusts_is_not_pinned(tmp_path: Path, keys: list[PKey]) -> None:
    with pytest.raises(HostError):
        arrive.host_key(shown(work(tmp_path), keys[0]))

    assert not (tmp_path / "pins").exists()


def test_a_machine_that_is_known_at_another_address(tmp_path: Path, keys: list[PKey]) -> None:
    pins.pin(tmp_path / "pins", "10.0.0.1", 2222, keys[0])

    with pytest.raises(HostError) as caught:
        arrive.host_key(shown(work(tmp_path, trust_first_use=True), keys[0]))

    assert "pinned for [10.0.0.1]:2222 as well" in caught.value.problem.found
    assert pins.pinned(tmp_path / "pins", "10.0.0.7", 22) == []
    assert arrive.host_key(shown(work(tmp_path, trust_first_use=True), keys[1])).state == "done"


class Logins:
    """The logins of a server: which are open, and which were tried."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.admin = self.first = True
        self.tried: list[str] = []
        self.closed: list[str] = []
        self.busy: list[Problem] = []
        for module in (enter, settle):
            monkeypatch.setattr(module, "login_as_admin", self._login("admin"))
        monkeypatch.setattr(enter, "first_login", self._login("first"))
        monkeypatch.setattr(enter, "wait_until_ready", lambda _session, told: self.busy)

    def _login(self, kind: str) -> Callable[..., Any]:
        @contextmanager
        def login(*_arguments: object, **_more: object) -> Iterator[object]:
            self.tried.append(kind)
            if not getattr(self, kind):
                raise HostError(replace(PROBLEM, found=f"{kind} refused"))
            yield kind
            self.closed.append(kind)

        return login


@pytest.fixture
def logins(monkeypatch: pytest.MonkeyPatch) -> Logins:
    return Logins(monkeypatch)


@pytest.mark.parametrize(
    ("listed", "given", "admin", "tried", "state"),
    [
        (False, True, False, ["first"], "done"),
        (True, True, True, ["admin"], "already"),
        (True, False, True, ["admin"], "already"),
        (True, True, False, ["admin", "first"], "done"),
        (False, False, True, ["admin"], "already"),
    ],
)
def test_who_logs_in(
    tmp_path: Path,
    logins: Logins,
    *,
    listed: bool,
    given: bool,
    admin: bool,
    tried: list[str],
    state: str,
) -> None:
    logins.admin = admin
    one = work(tmp_path, listed=listed, given=given)

    said = enter.login(one)

    assert (logins.tried, said.state) == (tried, state)
    assert one.as_admin == (tried == ["admin"])
    assert "hunter2" not in repr(one)
    one.closing.close()
    assert logins.closed == tried[-1:]


def test_without_a_credential_the_admins_refusal_is_the_reason(
    tmp_path: Path, logins: Logins
) -> None:
    logins.admin = False

    with pytest.raises(HostError, match="admin refused"):
        enter.login(work(tmp_path, listed=True, given=False))


def test_a_server_that_somebody_works_on(tmp_path: Path, logins: Logins) -> None:
    logins.busy = [PROBLEM, PROBLEM]

    with pytest.raises(ProblemsError) as caught:
        enter.login(work(tmp_path))

    assert caught.value.problems == [PROBLEM, PROBLEM]


@pytest.mark.parametrize(("did", "state"), [(["made it"], "done"), ([], "already")])
def test_the_first_login_ends_when_the_admins_works(
    tmp_path: Path, logins: Logins, monkeypatch: pytest.MonkeyPatch, did: list[str], state: str
) -> None:
    monkeypatch.setattr(settle, "admin_public_key", lambda _newcomer: "key")
    monkeypatch.setattr(settle, "ensure_admin", lambda *_a, group: did)
    one = work(tmp_path)
    enter.login(one)

    said = settle.admin(one)

    assert (said.state, one.session, one.as_admin) == (state, "admin", True)
    assert logins.closed == ["first"]
    one.closing.close()
    assert logins.closed == ["first", "admin"]


def test_an_admin_that_can_not_log_in_leaves_the_first_login_open(
    tmp_path: Path, logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "admin_public_key", lambda _newcomer: "key")
    monkeypatch.setattr(settle, "ensure_admin", lambda *_a, group: [])
    logins.admin = False
    one = work(tmp_path)
    enter.login(one)

    with pytest.raises(HostError, match="admin refused"):
        settle.admin(one)

    assert (one.session, one.as_admin, logins.closed) == ("first", False, [])


def test_a_server_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = work(tmp_path)
    monkeypatch.setattr(settle, "load_fleet", lambda _path: [one.host])

    assert [settle.inventory(one).state for _ in range(2)] == ["done", "already"]
    assert "gpu07:\n    address: 10.0.0.7\n" in (tmp_path / "f.hosts.yml").read_text()


def test_an_inventory_that_does_not_read_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "load_fleet", lambda _path: [])

    with pytest.raises(HostError, match="no gpu07 in"):
        settle.inventory(work(tmp_path))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[HostFacts]:
    """What the server answers, one by one; the last for good."""
    answers = [HostFacts(SURVEY, clock=0.0)]
    monkeypatch.setattr(
        examine, "parse", lambda *_a: answers[0] if len(answers) == 1 else answers.pop(0)
    )
    monkeypatch.setattr(examine, "script", lambda _settings: "true")
    monkeypatch.setattr(examine, "hardware", lambda _session: Hardware())
    monkeypatch.setattr(examine, "LOCK_POLL", 0)
    return answers


def examined(tmp_path: Path) -> Work:
    one = work(tmp_path)
    answer = SimpleNamespace(out=[], err=[])
    one.session = SimpleNamespace(run=lambda _text: answer)  # type: ignore[assignment]
    return one


def test_another_apt_is_waited_for(tmp_path: Path, asked: list[HostFacts]) -> None:
    busy = replace(asked[0], apt_holders=("77 apt-get",))
    asked[:0] = [busy, busy]
    one = examined(tmp_path)

    assert examine.facts(one) == Said("done", "debian13, 1x H200 SXM 141GB")
    assert one.facts.apt_holders == ()
    assert one.shows.notes == ["waiting for apt, locked by pid 77 apt-get"] * 2  # type: ignore[attr-defined]


def test_a_server_of_another_fleet_is_told(tmp_path: Path, asked: list[HostFacts]) -> None:
    one = examined(tmp_path)
    answer = SimpleNamespace(out=['{"who": "ann@desk", "when": "2026-11-20"}'], err=[])
    one.session = SimpleNamespace(run=lambda _text: answer)  # type: ignore[assignment]

    assert examine.facts(one).text.endswith("; deployed before, by ann@desk at 2026-11-20")
    assert one.shows.notes == ["note: if another fleet has it still, take it out there first"]  # type: ignore[attr-defined]

    one.joining = replace(one.joining, listed=True)
    assert examine.facts(one).text == "debian13, 1x H200 SXM 141GB"


def test_all_problems_of_preflight_at_once(
    tmp_path: Path, asked: list[HostFacts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examine, "check", lambda _subject: [PROBLEM])
    monkeypatch.setattr(examine, "unreadable", lambda *_a: [PROBLEM])
    one = examined(tmp_path)
    examine.facts(one)

    with pytest.raises(ProblemsError) as caught:
        examine.preflight(one)

    assert len(caught.value.problems) == 2


def test_a_conflict_is_remembered_for_the_exit_status(
    tmp_path: Path, asked: list[HostFacts], monkeypatch: pytest.MonkeyPatch
) -> None:
    conflict = Conflict("rule", "does not go", "NVIDIA", "https://example.com")
    planned = Planned(None, None, Answer(None, (conflict,)), None)  # type: ignore[arg-type]
    monkeypatch.setattr(examine, "plan", lambda *_a, **_m: [HostPlan("gpu07", planned)])
    one = examined(tmp_path)
    examine.facts(one)

    with pytest.raises(ProblemsError) as caught:
        examine.contract(one)

    assert one.conflict
    assert caught.value.problems[0].found == "does not go"


def test_a_registry_that_is_away_is_no_conflict(
    tmp_path: Path, asked: list[HostFacts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examine, "plan", lambda *_a, **_m: [HostPlan("gpu07", PROBLEM)])
    one = examined(tmp_path)
    examine.facts(one)

    with pytest.raises(HostError):
        examine.contract(one)
    assert not one.conflict


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (PROBLEM, HostError),
        ((Hardware(), GpuCheck(on_pci=2, on_host=1, problems=(PROBLEM,))), ProblemsError),
    ],
)
def test_gpus_that_do_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: object, error: type[Exception]
) -> None:
    monkeypatch.setattr(prove, "across", lambda *_a: {"gpu07": answer})
    one = work(tmp_path)

    with pytest.raises(error):
        prove.gpu(one)

    assert ("gpus" in one.details) == (error is ProblemsError)


def test_gpus_that_work_are_told_with_what_is_to_be_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = GpuCheck(on_pci=2, on_host=2, in_container=2, by_torch=0, notes=("no CUDA",))
    monkeypatch.setattr(prove, "across", lambda *_a: {"gpu07": (Hardware(), found)})

    said = prove.gpu(work(tmp_path))

    assert said.text.endswith("2 in a container, 0 in PyTorch; no CUDA")


@pytest.mark.parametrize("problems", [(), (PROBLEM,)])
def test_state_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problems: tuple[Problem, ...]
) -> None:
    found = StateTests((StateTest("test_base::test_it", "passed"),), 1.0, problems)
    monkeypatch.setattr(prove, "run_state_tests", lambda *_a, progress: found)
    one = work(tmp_path)

    if problems:
        with pytest.raises(ProblemsError):
            prove.state(one)
    else:
        assert prove.state(one).text == "1 of 1 state tests passed"
    assert one.details["state"] is found
