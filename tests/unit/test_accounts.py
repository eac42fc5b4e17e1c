"""The accounts that deploy: who they are, their keys, and what is mended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.plan import Plan
from torchrack.base.accounts import administrators, missing_keys
from torchrack.errors import HostError
from torchrack.facts.accounts import Account, Accounts, AccountsState
from torchrack.operations import accounts
from torchrack.settings import Base
from torchrack.settings.section import SettingsError

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN6hF1Lr9vYqGZr0W4tU8m3hBfDqJb2dS0k5yq1c9VxK"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOtherOtherOtherOtherOtherOtherOtherOtherOth"
ECDSA = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA=="

GOOD = Account(
    home="/home/debian",
    groups=("debian", "sudo", "ssh-admins"),
    modes={
        "/home/debian": (0o755, "debian"),
        "/home/debian/.ssh": (0o700, "debian"),
        "/home/debian/.ssh/authorized_keys": (0o600, "debian"),
    },
    keys=(f"{OTHER} somebody", "# a remark"),
)


def _plan(plan: Plan, account: Account | None = GOOD, *, group: bool = True, **more: object) -> str:
    state = AccountsState(group, {"debian": account} if account else {})
    arguments = {"users": ["debian"], "group": "ssh-admins", **more}
    return "\n".join(plan(accounts.administrators, state, **arguments))


def test_deploy_user_and_login_both_keep_their_access() -> None:
    assert administrators("gpu01", None, "debian") == ("debian",)
    assert administrators("gpu01", "debian", "debian") == ("debian",)
    assert administrators("gpu01", "deploy", "debian") == ("deploy", "debian")


@pytest.mark.parametrize(("deploy_user", "login"), [(None, "root"), ("deploy", "root")])
def test_root_is_refused(deploy_user: str | None, login: str) -> None:
    with pytest.raises(HostError, match="gpu01: The account that deploys: found root"):
        administrators("gpu01", deploy_user, login)


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        (f"{ED25519} me@laptop", []),
        (f'from="10.0.0.0/8",command="echo a b" {ED25519}', []),
        (f"# {ED25519}", [ED25519]),
        (OTHER, [ED25519]),
        ("", [ED25519]),
    ],
)
def test_missing_keys(line: str, missing: list[str]) -> None:
    assert missing_keys([ED25519], [line]) == missing


@pytest.mark.parametrize(
    "line", ["ssh-ed25519", "ssh-ed25519 AAAA", f'command="x" {ED25519}', f"{ED25519}\n{OTHER}"]
)
def test_wrong_key_is_refused(line: str) -> None:
    with pytest.raises(SettingsError, match="a public key as in a"):
        Base(authorized_keys=[line])


def test_key_that_sshd_will_refuse_is_refused() -> None:
    with pytest.raises(SettingsError, match="sshd will refuse ecdsa-sha2-nistp256"):
        Base(authorized_keys=[ECDSA])


def test_fact_reads_group_accounts_and_keys() -> None:
    state = Accounts().process(
        [
            "== group",
            "ssh-admins:x:999:debian",
            "== account debian",
            "home /home/debian",
            "gid 1000",
            "groups debian sudo ssh-admins",
            "mode 755 debian /home/debian",
            "mode 700 debian /home/debian/.ssh",
            "mode 600 debian /home/debian/.ssh/authorized_keys",
            "== keys debian",
            f"{OTHER} somebody",
            "# a remark",
        ]
    )
    assert state == AccountsState(True, {"debian": GOOD})


def test_nothing_to_do(plan: Plan) -> None:
    assert _plan(plan, keys=[OTHER]) == ""


def test_group_is_made_and_joined(plan: Plan) -> None:
    text = _plan(plan, replace(GOOD, groups=("debian",)), group=False)
    assert "groupadd --system -- ssh-admins" in text
    assert "usermod -aG ssh-admins -- debian" in text


def test_keys_are_added_never_replaced(plan: Plan) -> None:
    text = _plan(plan, keys=[ED25519])
    assert 'cat -- "$keys" > "$tmp"' in text
    assert ED25519 not in text  # through standard input


@pytest.mark.parametrize(
    ("path", "mode", "owner", "step"),
    [
        ("/home/debian", 0o775, "debian", "chmod go-w -- /home/debian"),
        ("/home/debian/.ssh", 0o755, "debian", "chmod go= -- /home/debian/.ssh"),
        ("/home/debian/.ssh", 0o700, "nobody", "chown -- debian /home/debian/.ssh"),
    ],
)
def test_permissions_that_sshd_refuses_are_taken_away(
    plan: Plan, path: str, mode: int, owner: str, step: str
) -> None:
    account = replace(GOOD, modes={**GOOD.modes, path: (mode, owner)})
    assert _plan(plan, account).splitlines()[-1] == step


def test_missing_account_is_refused(plan: Plan) -> None:
    assert "gpu01: The deploy user: found no account debian" in _plan(plan, None)
