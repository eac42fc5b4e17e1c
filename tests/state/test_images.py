"""The catalog's images by digest, the registries trusted, and the pull account kept private."""

from __future__ import annotations

import base64
import hashlib
import shlex
from pathlib import Path

from tests.state.target import Target
from torchrack.settings import Settings

CONFIG = "/etc/torchrack/docker"
PULLED = "/var/lib/torchrack/pulled-images"


def _ca_path(address: str) -> str:
    return f"/etc/docker/certs.d/{address}/ca.crt"


def _ca_script(settings: Settings) -> str:
    paths = [_ca_path(r.address) for r in settings.images.registries if r.ca_file]
    return f"sha256sum -- {' '.join(map(shlex.quote, paths))} </dev/null" if paths else "true"


PROBES = {
    "images_all": "timeout 30 docker image ls --no-trunc --digests "
    "--format '{{.Repository}}\\t{{.Tag}}\\t{{.Digest}}\\t{{.ID}}'",
    "images_pulled": f"cat {PULLED} 2>/dev/null; true",
    "images_used": "timeout 30 docker ps -aq | xargs -r docker container inspect -f '{{.Image}}'",
    "images_ca": _ca_script,
    "images_config": f"stat -c '%a %U:%G' {CONFIG} {CONFIG}/config.json",
    # The account's name alone: the password stays on the host.
    "images_login": f'sed -n \'s/^ *"\\(.*\\)": {{$/\\1/p; s/^ *"auth": "\\(.*\\)".*/\\1/p\' '
    f"{CONFIG}/config.json | while read -r line; do "
    'case $line in auths) ;; *[.:]*) echo "$line" ;; '
    '*) echo "$line" | base64 -d 2>/dev/null | cut -d: -f1 ;; esac; done',
    "images_seen": "ps -eo args; docker ps -aq | xargs -r docker container inspect; "
    "docker image ls -q | xargs -r docker image inspect",
}


def images(target: Target) -> list[list[str]]:
    answer = target.probe("images_all")
    assert answer.rc == 0, answer.stderr
    return [line.split("\t") for line in answer.lines]


def _parts(reference: str) -> tuple[str, str, str]:
    """Name, tag (empty without one) and digest, as Docker shows them."""
    rest, _, digest = reference.partition("@")
    head, _, last = rest.rpartition("/")
    last, _, tag = last.partition(":")
    return f"{head}/{last}".removeprefix("docker.io/").removeprefix("library/"), tag, digest


def test_catalog_is_there_by_digest(target: Target) -> None:
    found = {(name, digest) for name, _, digest, _ in images(target)}
    wanted = {_parts(ref)[::2] for ref in target.settings.images.catalog.values()}
    assert wanted <= found, f"missing: {sorted(wanted - found)}"


def test_tags_stand_for_the_declared_digests(target: Target) -> None:
    found = {(name, tag, digest) for name, tag, digest, _ in images(target)}
    wanted = {_parts(ref) for ref in target.settings.images.catalog.values() if _parts(ref)[1]}
    assert wanted <= found, f"missing: {sorted(wanted - found)}"


def test_no_image_of_ours_is_left_over(target: Target) -> None:
    settings = target.settings.images
    if settings.prune == "never":
        return
    declared = [*settings.catalog.values(), *settings.keep]
    names = {"@".join(_parts(ref)[::2]) for ref in declared}
    ids = {f"{name}@{digest}": id_ for name, _, digest, id_ in images(target)}
    kept = {ids.get(name) for name in names} | set(target.probe("images_used").lines)
    pulled = set(target.probe("images_pulled").lines) - names
    assert [p for p in pulled if p in ids and ids[p] not in kept] == []


def test_registries_are_trusted_by_their_ca(target: Target) -> None:
    wanted = {
        _ca_path(r.address): hashlib.sha256(Path(r.ca_file).expanduser().read_bytes()).hexdigest()
        for r in target.settings.images.registries
        if r.ca_file
    }
    lines = (line.split() for line in target.probe("images_ca").lines)
    assert {path: digest for digest, path in lines if path in wanted} == wanted


def test_only_root_reads_the_pull_account(target: Target) -> None:
    assert target.probe("images_config").lines == ["700 root:root", "600 root:root"]


def test_login_is_the_pull_account(target: Target) -> None:
    registries = sorted(target.settings.images.registries, key=lambda r: r.address)
    wanted = [part for r in registries if r.username for part in (r.address, r.username)]
    assert target.probe("images_login").lines == wanted


def test_password_shows_in_no_process_container_or_image(target: Target) -> None:
    answer = target.probe("images_seen")
    assert answer.rc == 0, answer.stderr
    for registry in target.settings.images.registries:
        if registry.username and registry.password:
            password = registry.password.read()
            encoded = base64.b64encode(f"{registry.username}:{password}".encode()).decode()
            shown = password in answer.stdout or encoded in answer.stdout
            assert not shown, f"the password of {registry.username}@{registry.address} shows"
