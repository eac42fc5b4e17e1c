"""One APT repository: a deb822 source and the one key it trusts, proven before it takes effect.

pyinfra's apt.sources_file and apt.key write in place, do not know fingerprints, and leave it to the
next ``apt-get update`` of everything to find out that a source is broken.
"""

from __future__ import annotations

import base64
import shlex

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.apt.repository import Repository, disabled, holds_key, pinned_key, second_sources
from torchrack.connect import INSTALL_TIMEOUT
from torchrack.difference import differs
from torchrack.errors import HostError, Problem
from torchrack.facts.gather import gather
from torchrack.facts.repository import PublishedKey, Source
from torchrack.fleet_folder import here
from torchrack.operations.guard import Commands, operation

_SCRIPT = """set -eu
umask 022
source={source} key={key}
new=$(mktemp -d /var/tmp/torchrack.XXXXXX)
chmod 755 "$new"
trap 'rm -rf -- "$new"' EXIT
read -r encoded && printf %s "$encoded" | base64 -d > "$new/key.asc"
read -r encoded && printf %s "$encoded" | base64 -d > "$new/new.sources"
sed "s|^Signed-By: .*|Signed-By: $new/key.asc|" "$new/new.sources" > "$new/trial.sources"
apt-get -q update -o DPkg::Lock::Timeout=300 -o APT::Update::Error-Mode=any \\
    -o APT::Get::List-Cleanup=0 -o Dir::Etc::sourcelist="$new/trial.sources" \\
    -o Dir::Etc::sourceparts=/dev/null || {{ echo {failed} >&2; exit 1; }}
install -d -m 0755 "$(dirname "$key")"
# Beside their final places, under names that apt does not read, so that the renames are atomic.
install -m 0644 "$new/key.asc" "$key.torchrack-new"
install -m 0644 "$new/new.sources" "$source.torchrack-new"
mv -fT "$key.torchrack-new" "$key"
mv -fT "$source.torchrack-new" "$source"
"""


@operation
def repository(*, declared: Repository, key_file: str | None) -> Commands:
    """Make a repository known to apt, and its package lists present.

    The lists are fetched and their signature is checked before the source takes its place: a
    mirror that is down or signed by another key leaves the host as it was.

    Args:
        declared: the repository.
        key_file: its public key on the controller; None lets the host fetch the published one,
            which is taken only if it has the fingerprint.
    """
    now = gather(Source, source_path=declared.source_path, key_path=declared.key_path)
    others = second_sources(declared, now.lines)
    if others:
        raise HostError(
            Problem(
                where=host.name,
                what=f"Second source of {declared.title}",
                found=", ".join(others),
                needed=f"{declared.source_path} alone",
                fix=f"look at it, then {disabled(others)}",
            )
        )
    key = _key(declared, key_file, now.key)
    if (now.source, now.key) == (declared.source(), key):
        host.noop(f"{declared.source_path} is up to date")
        return
    source = f"repository:{declared.name}"
    if now.source != declared.source():
        actual = "another source" if now.source else "none"
        differs(source, "source", expected=declared.uri, actual=actual)
    if now.key != key:
        actual = "another key" if now.key else "none"
        differs(source, "key", expected=declared.key_fingerprint, actual=actual)
    script = _SCRIPT.format(
        source=shlex.quote(declared.source_path),
        key=shlex.quote(declared.key_path),
        failed=shlex.quote(str(_unusable(declared))),
    )
    encoded = [base64.b64encode(text.encode()).decode() for text in (key, declared.source())]
    yield StringCommand(script, _stdin=encoded, _timeout=INSTALL_TIMEOUT)


def _unusable(declared: Repository) -> Problem:
    return Problem(
        where=host.name,
        what=declared.title,
        found=f"{declared.uri} does not answer, or is signed by another key (apt's words above)",
        needed=f"package lists signed by {declared.key_fingerprint}",
        fix="check the repository setting, the mirror, and the host's way to it; apt's sources on "
        "the host were left as they were",
    )


def _key(declared: Repository, key_file: str | None, present: str) -> str:
    """The armoured key: the controller's, the one that is already there, or the vendor's."""
    if key_file:
        return _controller_key(declared, key_file)
    if holds_key(present, declared.key_fingerprint):
        return present
    download = gather(PublishedKey, url=declared.key_url)
    if not download.content:
        raise HostError(
            Problem(
                where=host.name,
                what=f"Key of {declared.title}",
                found=f"no answer from {declared.key_url} ({download.message or 'no message'})",
                needed=f"the key {declared.key_fingerprint}",
                fix="let the host reach that address, or name the key's file in key_file",
            )
        )
    return pinned_key(download.content, declared, host=host.name, origin=declared.key_url)


def _controller_key(declared: Repository, key_file: str) -> str:
    try:
        data = here(key_file).read_bytes()
    except OSError as error:
        raise HostError(
            Problem(
                where=host.name,
                what=f"Key of {declared.title}",
                found=f"{key_file} on this machine can't be read: {error.strerror}",
                needed="a readable file with the key",
                fix="correct key_file in the settings",
            )
        ) from None
    return pinned_key(data, declared, host=host.name, origin=key_file)
