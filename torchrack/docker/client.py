"""How we call Docker's client, so that nobody's configuration of it decides which engine answers.

By itself the client takes the engine from ``DOCKER_HOST``, ``DOCKER_CONTEXT`` or ``currentContext``
of ``~/.docker/config.json``, in that order, and puts the proxies of that file into each container
that it makes (docs.docker.com/reference/cli/docker and /engine/manage-resources/contexts). The
environment comes from /etc/environment, sudo and systemd's ``DefaultEnvironment=`` as well.
"""

from __future__ import annotations

SOCKET = "unix:///var/run/docker.sock"
"""The engine that docker.service runs."""

CONFIG = "/etc/torchrack/docker"
"""Our configuration of the client, with the pull accounts; only root may look into it. It may be
missing, which is an empty one."""

ENGINE = (
    "unset $(env | sed -n 's/^\\(DOCKER_[A-Za-z0-9_]*\\)=.*/\\1/p'); "
    f"export DOCKER_HOST={SOCKET} DOCKER_CONFIG={CONFIG}"
)
"""Shell: what stands before the first ``docker`` of a script. A file in files/ that Python only
reads has it in full."""

BY_HAND = f"sudo docker -H {SOCKET}"
"""The client as people are advised to call it: for the same engine, whatever their context."""
