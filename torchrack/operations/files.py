"""Put a file on a host: private from the first byte, validated, atomic, the predecessor kept.

pyinfra's files.put writes in place, world-readable until a later chmod, without validation.
"""

from __future__ import annotations

import base64
import difflib
import hashlib
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pyinfra import host
from pyinfra.api.command import StringCommand
from pyinfra.facts.files import FileContents

from torchrack.difference import differs
from torchrack.docker.client import ENGINE
from torchrack.errors import TorchrackError
from torchrack.facts.files import Files, FileState
from torchrack.facts.gather import gather
from torchrack.fleet_folder import here
from torchrack.operations.guard import Commands, operation

FILES = Path(__file__).parents[2] / "files"
PREVIOUS = "/var/lib/torchrack/previous"
"""Where the predecessor of each replaced file is kept on the host."""
ORIGINALS = "/var/lib/torchrack/original"
"""Where a file stays that was there before ours came; ``torchrack offboard`` brings it back."""
WRITTEN = "/var/lib/torchrack/written"
"""The files that we wrote on the host, a path a line."""

_TEMPLATES = Environment(
    loader=FileSystemLoader(FILES),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701 - configuration files, not HTML
)
_TEMPLATES.filters["quote"] = shlex.quote
_TEMPLATES.globals["engine"] = ENGINE

_SCRIPT = """set -eu
umask 077
dest={dest}
dir=$(dirname -- "$dest")
[ -d "$dir" ] || install -d -m 0755 -- "$dir"
tmp=$(mktemp -- "$dir/.$(basename -- "$dest").torchrack.XXXXXX")
trap 'rm -f -- "$tmp"' EXIT
base64 -d > "$tmp"
sum=$(sha256sum < "$tmp")
[ "${{sum%% *}}" = {sha256} ] || {{ echo "upload of $dest is incomplete" >&2; exit 1; }}
chown {owner}:{group} -- "$tmp"
chmod {mode} -- "$tmp"
{validate}
keep() {{
    install -d -m 0700 "$1"
    mkdir -p -- "$(dirname -- "$1$dest")"
    cp -a -- "$dest" "$1$dest"
}}
if ! grep -qxsF -- "$dest" {written}; then
    [ ! -e "$dest" ] || keep {originals}
    mkdir -p -- "$(dirname -- {written})"
    echo "$dest" >> {written}
fi
[ ! -e "$dest" ] || keep {previous}
mv -fT -- "$tmp" "$dest"
"""


def render(template: str, **values: Any) -> str:
    """Render ``files/<template>``; an undefined name is an error, not an empty string."""
    return _TEMPLATES.get_template(template).render(**values)


def read(path: str) -> str:
    """Return the text of ``files/<path>``."""
    return (FILES / path).read_text(encoding="utf-8")


@operation
def put(
    *,
    dest: str,
    content: str | bytes,
    owner: str = "root",
    group: str = "root",
    mode: str = "0644",
    validate: str | None = None,
    secret: bool = False,
    report: bool = True,
) -> Commands:
    """Make ``dest`` hold ``content``.

    Args:
        dest: absolute path on the host; missing parent directories are made with mode 0755.
        content: the whole content.
        owner: owner's name or uid.
        group: group's name or gid.
        mode: permission bits, octal.
        validate: a command that must end with 0 before the file replaces the old one; ``{}`` in it
            stands for the (quoted) path of the new file, which lies beside ``dest``.
        secret: never show the content in diffs.
        report: say what differs, for reports.
    """
    data = content.encode() if isinstance(content, str) else content
    sha256 = hashlib.sha256(data).hexdigest()
    now = gather(Files, paths=[dest])[dest]
    wanted = (sha256, mode.lstrip("0"), owner, group)
    if now and (now.sha256, now.mode, now.owner, now.group) == wanted:
        host.noop(f"{dest} is up to date")
        return
    diff: list[str] = []
    if host.state.config.DIFF and not secret and (now is None or now.sha256 != sha256):
        diff = _diff(dest, now is not None, data)
    if report:
        _tell(dest, wanted, now, secret=secret, diff=diff)
    check = validate.replace("{}", '"$tmp"') if validate else ":"
    script = _SCRIPT.format(
        dest=shlex.quote(dest),
        sha256=sha256,
        owner=shlex.quote(owner),
        group=shlex.quote(group),
        mode=shlex.quote(mode),
        validate=check,
        previous=PREVIOUS,
        originals=ORIGINALS,
        written=WRITTEN,
    )
    # Through standard input: content never stands in a process list or a world-readable file.
    yield StringCommand(script, _stdin=[base64.b64encode(data).decode()])


def _tell(
    dest: str,
    wanted: tuple[str, str, str, str],
    now: FileState | None,
    *,
    secret: bool,
    diff: Sequence[str],
) -> None:
    """Say what is not as declared, for reports."""
    sha256, mode, owner, group = wanted
    resource = f"file:{dest}"
    if now is None:
        text = "\n".join(diff)
        differs(resource, "content", expected="the file", actual="no such file", diff=text)
        return
    if now.sha256 != sha256:
        shown = ("the declared secret", "another content") if secret else (sha256, now.sha256)
        text = "\n".join(diff)
        differs(resource, "content", expected=shown[0][:23], actual=shown[1][:23], diff=text)
    if now.mode != mode:
        differs(resource, "mode", expected=mode, actual=now.mode)
    if (now.owner, now.group) != (owner, group):
        actual = f"{now.owner}:{now.group}"
        differs(resource, "owner", expected=f"{owner}:{group}", actual=actual)


def _diff(dest: str, exists: bool, data: bytes) -> list[str]:
    """Return a unified diff of what is there and what is declared, shown as it is found."""
    old = gather(FileContents, path=dest) if exists else []
    new = data.decode(errors="replace").splitlines()
    lines = list(difflib.unified_diff(old or [], new, dest, dest, lineterm=""))
    for line in lines:
        host.log(line)
    return lines


def controller_file(path: str) -> str:
    """Return the text of a file on the controller.

    Raises:
        TorchrackError: it can't be read.
    """
    try:
        return here(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TorchrackError(f"the file {path} on this machine can't be read: {error}") from None
