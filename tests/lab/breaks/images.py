"""How the images of a lab host are broken; the catalog's ``tools`` serves, which nothing runs."""

from __future__ import annotations

from tests.lab.breakage import Break

CONFIG = "/etc/torchrack/docker"
PULLED = "/var/lib/torchrack/pulled-images"
TOOLS = (
    "tools=$(docker image ls --digests --format '{{.Repository}}@{{.Digest}} {{.Repository}}:"
    "{{.Tag}}' | grep '/tools@'); pinned=${tools% *}; tagged=${tools#* }; "
)

BREAKS = [
    Break(
        test="test_images.py::test_catalog_is_there_by_digest",
        harm=TOOLS + "echo $pinned $tagged > /run/break.image; docker image rm $tagged",
        undo="read pinned tagged < /run/break.image; "
        f"docker --config {CONFIG} pull -q $pinned; docker tag $pinned $tagged",
    ),
    Break(
        test="test_images.py::test_tags_stand_for_the_declared_digests",
        batch=2,
        harm=TOOLS + "echo $pinned $tagged > /run/break.image; "
        "docker tag $(docker image ls --format '{{.ID}}' '*/*/pytorch' | head -n 1) $tagged",
        undo="read pinned tagged < /run/break.image; docker tag $pinned $tagged",
    ),
    Break(
        test="test_images.py::test_no_image_of_ours_is_left_over",
        batch=3,
        harm=TOOLS + "name=${pinned%@*}; cp -a " + PULLED + " /run/break.pulled; "
        f"docker --config {CONFIG} pull -q $name:1.1; "
        "docker image inspect -f '{{index .RepoDigests 0}}' $name:1.1 >> " + PULLED,
        undo=f"docker image rm $(tail -n 1 {PULLED} | cut -d@ -f1):1.1; "
        f"mv -f /run/break.pulled {PULLED}",
    ),
    Break(
        test="test_images.py::test_registries_are_trusted_by_their_ca",
        harm="for f in /etc/docker/certs.d/*/ca.crt; do cp -a $f /run/break.ca; echo >> $f; done",
        undo="for f in /etc/docker/certs.d/*/ca.crt; do cp -a /run/break.ca $f; done",
    ),
    Break(
        test="test_images.py::test_only_root_reads_the_pull_account",
        harm=f"chmod 0644 {CONFIG}/config.json",
        undo=f"chmod 0600 {CONFIG}/config.json",
    ),
    Break(
        test="test_images.py::test_login_is_the_pull_account",
        batch=5,
        harm=f"mv {CONFIG}/config.json {CONFIG}/config.json.off; "
        f"echo '{{\"auths\": {{}}}}' > {CONFIG}/config.json",
        undo=f"mv -f {CONFIG}/config.json.off {CONFIG}/config.json",
    ),
    Break(
        test="test_images.py::test_password_shows_in_no_process_container_or_image",
        harm=f'p=$(sed -n \'s/.*"auth": "\\(.*\\)".*/\\1/p\' {CONFIG}/config.json | base64 -d | '
        'cut -d: -f2-); setsid sh -c "sleep 600; : $p" >/dev/null 2>&1 </dev/null & '
        "echo $! > /run/careless.break",
        undo="kill -- -$(cat /run/careless.break)",
    ),
]
