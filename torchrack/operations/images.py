"""Images pulled by digest with a pull-only account, and removed when nothing needs them.

pyinfra's docker.image knows neither digests nor a login that stays out of argv.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pyinfra import host
from pyinfra.api.command import StringCommand

from torchrack.connect import INSTALL_TIMEOUT
from torchrack.difference import differs
from torchrack.docker.client import CONFIG
from torchrack.facts.files import FileState
from torchrack.facts.gather import gather
from torchrack.facts.images import PULLED, Access, Images, UsedImages
from torchrack.images.policy import missing, prunable, reference, removals, tags
from torchrack.images.registry_access import ca_paths, client_config
from torchrack.operations import files
from torchrack.operations.guard import Commands, operation
from torchrack.operations.pull import PARALLEL, Pull
from torchrack.settings.images import Registry


@operation
def registries(*, registries: Sequence[Registry]) -> Commands:
    """Let Docker trust the registries, and root pull from them.

    Passwords are read here, when the operation runs, and go into one file that only root reads;
    a login with them has to succeed before it replaces the one before.

    Args:
        registries: the private registries of the host.
    """
    wanted = {
        path: (files.controller_file(registry.ca_file), "0644")
        for registry in registries
        if registry.ca_file
        for path in ca_paths(registry)
    }
    wanted[f"{CONFIG}/config.json"] = (client_config(registries), "0600")
    accounts = [registry for registry in registries if registry.username]
    now = gather(Access, paths=list(wanted))
    private = now.folder == "700 root"
    todo = {path: value for path, value in wanted.items() if not _is_there(now.files[path], *value)}
    if private and not todo:
        host.noop("the registries are known")
        return
    for path in todo:
        state = now.files[path]
        actual = "another content, mode or owner" if state else "no such file"
        differs(f"file:{path}", "content", expected="as declared", actual=actual)
    if not private:
        differs(f"file:{CONFIG}", "mode", expected="700 root", actual=now.folder or "none")
        yield StringCommand("install", "-d", "-m", "0700", "-o", "root", "-g", "root", CONFIG)
    for path, (content, mode) in todo.items():
        secret = path.endswith("/config.json")
        yield from files.put._inner(
            dest=path,
            content=content,
            mode=mode,
            secret=secret,
            validate=files.render("images/check_login.sh.j2", accounts=accounts)
            if secret and accounts
            else None,
        )


def _is_there(now: FileState | None, content: str, mode: str) -> bool:
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    return now == FileState(sha256, mode.lstrip("0"), "root", "root")


@operation
def pulled(*, references: Sequence[str], registries: Sequence[Registry], seconds: int) -> Commands:
    """Have images by their digests, and under their tags.

    Args:
        references: registry/name[:tag]@sha256:...
        registries: the registries' settings, for messages; the login is on the host.
        seconds: time for one image.
    """
    wanted = [reference(text) for text in references]
    store = gather(Images)
    lacking = missing(wanted, store)
    retag = tags(wanted, store)
    if not lacking and not retag:
        host.noop(f"{len(wanted)} image(s) present")
        return
    for image in lacking:
        expected = image.digest[:19]
        differs(f"image:{image.name}", "digest", expected=expected, actual="not there")
    for tag in retag:
        differs(f"image:{tag}", "tag", expected="the declared digest", actual="another, or none")
    batches = -(-len(lacking) // PARALLEL)
    yield Pull(
        images=lacking,
        tags=retag,
        registries=registries,
        seconds=seconds,
        _timeout=batches * (seconds + 60) + 60,
    )


@operation
def pruned(*, references: Sequence[str]) -> Commands:
    """Remove the images that we pulled once and that nothing names or uses any more.

    Args:
        references: what has to stay.
    """
    store = gather(Images)
    candidates = prunable([reference(text) for text in references], store)
    used = gather(UsedImages) if candidates else set()
    todo = {pinned: removals(pinned, store, used) for pinned in candidates}
    todo = {pinned: names for pinned, names in todo.items() if names}
    if not todo:
        host.noop("no image of ours is unused")
        return
    for pinned in todo:
        differs(f"image:{pinned}", "unused", expected="no image that nothing names", actual="there")
    script = files.render("images/prune.sh.j2", removals=todo, pulled=PULLED)
    yield StringCommand(script, _timeout=INSTALL_TIMEOUT)
