"""On what ground a host key is trusted; every other one ends in its own message."""

from __future__ import annotations

from dataclasses import replace

import paramiko
import pytest

from torchrack.errors import HostError
from torchrack.onboard.host_key import decide
from torchrack.onboard.model import Newcomer
from torchrack.onboard.pins import fingerprint
from torchrack.onboard.probe import Probe

KEY, OTHER, RSA = (
    paramiko.ECDSAKey.generate(),
    paramiko.ECDSAKey.generate(),
    paramiko.RSAKey.generate(1024),
)
SHOWN = Probe("SSH-2.0-OpenSSH_9.6p1 Ubuntu-3", "Ubuntu 24.04", KEY)
GPU07 = Newcomer("gpu07", "10.0.0.7", "ubuntu")


def yes(_: str) -> bool:
    return True


def no(_: str) -> bool:
    return False


@pytest.mark.parametrize(
    ("given", "pinned", "first_use", "ask", "trust"),
    [
        (None, [KEY], False, None, "pinned"),
        (None, [RSA, KEY], True, no, "pinned"),
        (KEY, [], False, None, "given"),
        (KEY, [KEY], False, None, "pinned"),
        (KEY, [OTHER], False, None, "given"),
        (None, [], False, yes, "confirmed"),
        (None, [], True, yes, "confirmed"),
        (None, [], True, None, "first-use"),
    ],
)
def test_grounds_of_trust(given, pinned, first_use, ask, trust) -> None:
    newcomer = replace(GPU07, host_key=fingerprint(given) if given else None)
    assert decide(newcomer, SHOWN, pinned, trust_first_use=first_use, ask=ask) == trust


@pytest.mark.parametrize(
    ("given", "pinned", "first_use", "ask", "told"),
    [
        (None, [], False, None, ("nobody has verified", f"--host-key {fingerprint(KEY)}")),
        (None, [], False, no, ("was not confirmed", f"--host-key {fingerprint(KEY)}")),
        (None, [], True, no, ("was not confirmed", "compare it")),
        (None, [OTHER], True, yes, ("another key than the pinned one", "installed anew")),
        (None, [RSA], True, yes, ("another key than the pinned one", "somebody in between")),
        (OTHER, [], True, yes, (fingerprint(KEY), "don't log in")),
        (OTHER, [KEY], True, yes, (fingerprint(KEY), "don't log in")),
    ],
)
def test_what_is_not_trusted(given, pinned, first_use, ask, told) -> None:
    newcomer = replace(GPU07, host_key=fingerprint(given) if given else None)
    with pytest.raises(HostError) as caught:
        decide(newcomer, SHOWN, pinned, trust_first_use=first_use, ask=ask)
    problem = caught.value.problem
    assert (problem.where, problem.what) == ("gpu07", "Host key")
    found, fix = told
    assert found in problem.found
    assert fix in problem.fix
    for key in [given] if given else pinned:
        assert fingerprint(key) in problem.needed


def test_a_person_sees_what_to_compare() -> None:
    asked = []
    decide(GPU07, SHOWN, [], trust_first_use=False, ask=lambda text: asked.append(text) or True)
    (text,) = asked
    assert fingerprint(KEY) in text
    assert "gpu07 at 10.0.0.7 port 22 (Ubuntu 24.04)" in text
    assert "/etc/ssh/ssh_host_ecdsa_key.pub" in text
