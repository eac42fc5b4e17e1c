"""Extra certificate authorities."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.base.certificates import read_ca
from torchrack.difference import differs
from torchrack.facts.certificates import FOLDER, PREFIX, CaCertificates, LocalCa
from torchrack.facts.gather import gather
from torchrack.operations.guard import Commands, operation

_SCRIPT = """set -eu
umask 022
PATH=$PATH:/usr/sbin
install -d -m 0755 {folder}
while IFS=' ' read -r name content; do
    tmp=$(mktemp {folder}/.torchrack.XXXXXX)
    printf %s "$content" | base64 -d > "$tmp"
    chmod 0644 "$tmp"
    chown root:root "$tmp"
    mv -fT -- "$tmp" "{folder}/$name.crt"
done
for name in {surplus}; do rm -f -- "{folder}/$name.crt"; done
# Without the tool its package, which stage base installs, takes them up.
! command -v update-ca-certificates >/dev/null || update-ca-certificates {fresh}
"""


@operation
def trusted(*, certificates: Mapping[str, str]) -> Commands:
    """Trust these certificate authorities, and of ours no others.

    Args:
        certificates: name to path of a PEM file on this machine.
    """
    wanted = {PREFIX + name: read_ca(path) for name, path in certificates.items()}
    now = gather(CaCertificates)
    changed = {n: pem for n, pem in wanted.items() if not _is(now.certificates.get(n), pem)}
    surplus = sorted(set(now.certificates) - set(wanted))
    stale = now.tool and any(not now.certificates[n].trusted for n in set(wanted) - set(changed))
    if not (changed or surplus or stale or now.dangling):
        host.noop("CA certificates are trusted" if wanted else "no extra CA certificates")
        return
    for name in changed:
        actual = "another file" if name in now.certificates else "no such file"
        differs(f"certificate:{name}", "content", expected="the declared CA", actual=actual)
    for name in surplus:
        differs(f"certificate:{name}", "exists", expected="no such CA", actual="a CA of ours")
    if stale or now.dangling:
        differs("certificate:bundle", "content", expected="all of ours", actual="not taken up")
    lines = [f"{n} {base64.b64encode(pem.encode()).decode()}" for n, pem in changed.items()]
    yield StringCommand(
        _SCRIPT.format(
            folder=FOLDER,
            surplus=" ".join(surplus),
            fresh="--fresh" if surplus or now.dangling else "",
        ),
        _stdin=lines,
    )


def _is(now: LocalCa | None, pem: str) -> bool:
    sha256 = hashlib.sha256(pem.encode()).hexdigest()
    return now is not None and (now.sha256, now.ownership) == (sha256, "644:root:root")
