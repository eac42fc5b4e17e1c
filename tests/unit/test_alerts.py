"""Alerts: on changes of state only, kept where they can't be delivered, and no secret in sight."""

from __future__ import annotations

import datetime as dt
import json
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from torchrack.drift.alerts import state, targets
from torchrack.drift.alerts.notify import notify
from torchrack.drift.alerts.targets import Mail, Target, Webhook
from torchrack.drift.model import Finding, HostResult, Result
from torchrack.drift.waivers import Waived, Waiver
from torchrack.errors import ProblemsError
from torchrack.settings.secret import Secret

NOW = dt.datetime(2026, 11, 24, 3, 0, tzinfo=dt.timezone.utc)
STAGES = ("sshd", "host")
PATH = "/hooks/T0P-5ECRET"


class Hook(HTTPServer):
    """A webhook; ``status`` is what it answers with."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.status = 200
        self.got: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{PATH}"


class _Hook(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            self.server.got.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


class _Smtp(socketserver.StreamRequestHandler):
    """A mail server that speaks as much SMTP as one message needs."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            word = line[:4].upper().strip()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = iter(self.rfile.readline, b".\r\n")
                self.server.got.append(b"".join(lines).decode())  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            if word == b"QUIT":
                return


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def smtp() -> Iterator[socketserver.TCPServer]:
    with socketserver.TCPServer(("127.0.0.1", 0), _Smtp) as server:
        server.got = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def webhook(tmp_path: Path, url: str, kind: str = "json", **more: object) -> Webhook:
    secret = tmp_path / "hook"
    secret.write_text(url + "\n")
    secret.chmod(0o600)
    return Webhook(kind=kind, url=Secret(source="file", name=str(secret)), **more)


def finding(host: str, id_: str, severity: str = "security", kind: str = "drift") -> Finding:
    return Finding(host, id_, "sshd", kind, severity, "What it is", "a", "b", "mend it")


def checked(*found: Finding, away: tuple[str, ...] = (), waived: tuple[str, ...] = ()) -> Waived:
    hosts = tuple(
        HostResult(
            name, tuple(one for one in found if one.host == name), () if name in away else STAGES
        )
        for name in ("gpu01", "gpu02")
    )
    waiver = Waiver(id="*", reason="because", owner="ann", expires=dt.date(2027, 1, 1))
    by = {("gpu01", id_): waiver for id_ in waived}
    return Waived(Result("f.py", NOW, NOW, STAGES, hosts), by)


def told(tmp_path: Path, target: Target | None, check: Waived) -> list[str]:
    return notify(tmp_path / "alerts.json", [target] if target else [], check)


def ids(message: dict[str, Any], what: str) -> list[str]:
    return [one["id"] for one in message[what]]


def test_only_changes_are_told(tmp_path: Path, hook: Hook) -> None:
    target = webhook(tmp_path, hook.url)
    one, two = finding("gpu01", "sshd.x"), finding("gpu02", "sshd.y")
    nights = [(), (one,), (one,), (one, two), (one, two), (two,), (), ()]

    for found in nights:
        assert told(tmp_path, target, checked(*found)) == []

    assert [(ids(m, "came"), ids(m, "went"), m["verdict"], m["open"]) for m in hook.got] == [
        (["sshd.x"], [], "drift", 1),
        (["sshd.y"], [], "drift", 2),
        ([], ["sshd.x"], "drift", 1),
        ([], ["sshd.y"], "in_sync", 0),
    ]
    assert hook.got[0]["schema"] == 1
    assert hook.got[0]["came"][0]["fix"] == "mend it"


def test_a_host_that_is_away_is_told_once_and_keeps_its_findings(
    tmp_path: Path, hook: Hook
) -> None:
    target = webhook(tmp_path, hook.url)
    one = finding("gpu01", "sshd.x")
    gone = finding("gpu01", "host.unreachable", "outage", "unreachable")

    for check in (checked(one), *[checked(gone, away=("gpu01",))] * 2, checked(one)):
        told(tmp_path, target, check)

    assert [(ids(m, "came"), ids(m, "went"), m["verdict"]) for m in hook.got] == [
        (["sshd.x"], [], "drift"),
        (["host.unreachable"], [], "incomplete"),
        ([], ["host.unreachable"], "drift"),
    ]


def test_a_host_that_was_taken_out_of_the_inventory_is_told_once(
    tmp_path: Path, hook: Hook
) -> None:
    target = webhook(tmp_path, hook.url)
    before = checked(finding("gpu01", "sshd.x"))
    result = before.result
    after = Waived(replace(result, hosts=result.hosts[1:], whole=True), {})

    for check in (before, Waived(replace(after.result, whole=False), {}), after, after):
        told(tmp_path, target, check)

    assert [(ids(m, "came"), ids(m, "went"), m["verdict"]) for m in hook.got] == [
        (["sshd.x"], [], "drift"),
        ([], ["sshd.x"], "in_sync"),
    ]


def test_what_is_waived_is_not_told(tmp_path: Path, hook: Hook) -> None:
    told(tmp_path, webhook(tmp_path, hook.url), checked(finding("gpu01", "x"), waived=("x",)))
    assert hook.got == []


def test_a_target_can_want_the_grave_ones_only(tmp_path: Path, hook: Hook) -> None:
    target = webhook(tmp_path, hook.url, severity="outage")
    slight, grave = finding("gpu01", "stamp.x", "cosmetic"), finding("gpu02", "driver.y", "outage")

    told(tmp_path, target, checked(slight))
    told(tmp_path, target, checked(slight, grave))

    assert [ids(m, "came") for m in hook.got] == [["driver.y"]]


def test_what_can_not_be_delivered_is_kept_and_sent_in_order(tmp_path: Path, hook: Hook) -> None:
    target = webhook(tmp_path, hook.url)
    one, two = finding("gpu01", "sshd.x"), finding("gpu02", "sshd.y")
    hook.status = 503
    (first,) = told(tmp_path, target, checked(one))
    (second,) = told(tmp_path, target, checked(one, two))
    assert "503" in first
    assert "2 message(s) are kept" in second

    hook.status = 200
    assert told(tmp_path, target, checked(one, two)) == []

    assert [ids(message, "came") for message in hook.got] == [["sshd.x"], ["sshd.y"]]
    assert told(tmp_path, target, checked(one, two)) == []
    assert len(hook.got) == 2


def test_what_is_kept_is_bounded_and_private(tmp_path: Path) -> None:
    target = webhook(tmp_path, "http://127.0.0.1:9/x")
    for number in range(state.MOST + 5):
        told(tmp_path, target, checked(finding("gpu01", f"sshd.{number}")))
    kept = state.read(tmp_path / "alerts.json")
    assert len(kept.waiting) == state.MOST
    assert kept.waiting[-1].message.came[0].id == f"sshd.{state.MOST + 4}"
    assert (tmp_path / "alerts.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("status", [404, 500])
def test_a_webhooks_url_is_never_told(tmp_path: Path, hook: Hook, status: int) -> None:
    hook.status = status
    (error,) = told(tmp_path, webhook(tmp_path, hook.url), checked(finding("gpu01", "sshd.x")))
    assert "127.0.0.1" in error
    assert "5ECRET" not in error + (tmp_path / "alerts.json").read_text()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "no url at all", "http:///5ECRET"])
def test_what_is_no_url_of_a_webhook_is_refused(tmp_path: Path, url: str) -> None:
    (error,) = told(tmp_path, webhook(tmp_path, url), checked(finding("gpu01", "sshd.x")))
    assert "no URL of http or https" in error
    assert "5ECRET" not in error


def test_a_secret_that_is_not_there_keeps_the_message(tmp_path: Path) -> None:
    target = Webhook(kind="json", url=Secret(source="env", name="NO_SUCH_HOOK"))
    (error,) = told(tmp_path, target, checked(finding("gpu01", "sshd.x")))
    assert "NO_SUCH_HOOK is not set" in error
    assert "1 message(s) are kept" in error


def test_slack_gets_a_text(tmp_path: Path, hook: Hook) -> None:
    found = [finding("gpu01", f"sshd.{number:02}") for number in range(25)]
    told(tmp_path, webhook(tmp_path, hook.url, "slack"), checked(*found))
    text = hook.got[0]["text"]
    assert text.startswith("f.py: drift, was in sync (25 new, 0 gone)")
    assert "- security: gpu01: What it is (sshd.00). mend it" in text
    assert "and 5 more" in text


def test_mail_goes_to_the_server(tmp_path: Path, smtp: socketserver.TCPServer) -> None:
    port = smtp.server_address[1]
    target = Mail(
        kind="mail", to=("ops@example.org",), sender="t@example.org", host="127.0.0.1", port=port,
        security="none",
    )  # fmt: skip
    assert told(tmp_path, target, checked(finding("gpu01", "sshd.x"))) == []
    (mail,) = smtp.got  # type: ignore[attr-defined]
    assert "Subject: Torchrack: f.py: drift, was in sync (1 new, 0 gone)" in mail
    assert "sshd.x" in mail


def test_mail_without_a_server_is_kept(tmp_path: Path) -> None:
    target = Mail(kind="mail", to=("a@b.c",), sender="t@b.c", host="127.0.0.1", port=9)
    (error,) = told(tmp_path, target, checked(finding("gpu01", "sshd.x")))
    assert "mail through 127.0.0.1" in error


def test_a_damaged_state_is_as_none(tmp_path: Path, hook: Hook) -> None:
    (tmp_path / "alerts.json").write_text("{half")
    assert told(tmp_path, webhook(tmp_path, hook.url), checked(finding("gpu01", "x"))) == []
    assert len(hook.got) == 1


def test_a_state_that_can_not_be_kept_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "alerts.json"
    (error,) = notify(path, [], checked(finding("gpu01", "x")))
    assert "is not kept" in error


FILE = """\
- kind: slack
  url: {source: env, name: SLACK_WEBHOOK}
  severity: outage
- kind: mail
  to: [ops@example.org]
  sender: torchrack@example.org
  host: mail.example.org
"""


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lab.alerts.yml"
    path.write_text(FILE)
    slack, mail = targets.read(path)
    assert (slack.kind, slack.severity, mail.kind) == ("slack", "outage", "mail")
    assert targets.path_of(tmp_path / "lab.py") == path
    assert targets.read(tmp_path / "none.alerts.yml") == []


def test_all_that_is_wrong_with_a_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "lab.alerts.yml"
    path.write_text("- kind: pigeon\n- kind: json\n  url: https://x/y\n- kind: mail\n  to: []\n")
    with pytest.raises(ProblemsError) as raised:
        targets.read(path)
    places = {problem.where.rsplit(":", 1)[1] for problem in raised.value.problems}
    assert places == {"1", "2", "4"}
