"""Facts about the certificate authorities that a host trusts."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra.api.facts import FactBase

FOLDER = "/usr/local/share/ca-certificates"
PREFIX = "torchrack-"

_COMMAND = f"""
bundle=/etc/ssl/certs/ca-certificates.crt
echo "tool $(PATH=$PATH:/usr/sbin command -v update-ca-certificates || echo -)"
for f in {FOLDER}/{PREFIX}*.crt; do
    [ -f "$f" ] || continue
    name=$(basename -- "$f" .crt)
    link=/etc/ssl/certs/$name.pem
    state=stale
    # update-ca-certificates makes the link, and writes the bundle after it.
    [ "$(readlink -f -- "$link")" = "$f" ] && [ -s "$bundle" ] && [ ! "$f" -nt "$bundle" ] &&
        grep -qxF -e "$(sed -n 2p -- "$f")" -- "$bundle" && state=trusted
    echo "$state $name $(stat -c %a:%U:%G -- "$f") $(sha256sum < "$f" | cut -c1-64)"
done
for link in /etc/ssl/certs/{PREFIX}*.pem; do
    [ ! -L "$link" ] || [ -e "$link" ] || echo "dangling $link"
done
"""


@dataclass(frozen=True)
class LocalCa:
    """A CA certificate that we installed: content, permissions, and whether it is in force."""

    sha256: str
    ownership: str
    trusted: bool


@dataclass(frozen=True)
class LocalCas:
    """All of them by file name without suffix; ``dangling`` when a removed one is still linked."""

    tool: bool
    certificates: dict[str, LocalCa]
    dangling: bool


class CaCertificates(FactBase[LocalCas]):
    """Our certificates below /usr/local/share/ca-certificates."""

    def command(self) -> str:
        """Look at every file of ours and at what update-ca-certificates made of it."""
        return _COMMAND

    def process(self, output: list[str]) -> LocalCas:
        """Parse a line a certificate."""
        rows = [line.split() for line in output]
        return LocalCas(
            tool=["tool", "-"] not in rows,
            certificates={
                row[1]: LocalCa(row[3], row[2], row[0] == "trusted")
                for row in rows
                if row[0] in ("trusted", "stale")
            },
            dangling=any(row[0] == "dangling" for row in rows),
        )
