"""Jupyter's settings in this image; the token comes from a mounted file, never argv or env."""

import os
from pathlib import Path

token_file = Path("/run/torchrack/secrets/jupyter_token")

c = get_config()  # noqa: F821 - defined by traitlets, which executes this file
if os.environ.get("TORCHRACK_JUPYTER") == "1":
    c.IdentityProvider.token = token_file.read_text(encoding="utf-8").strip()
c.ServerApp.ip = "0.0.0.0"  # noqa: S104 - the container's own network; the host decides what is published
c.ServerApp.port = 8888
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.root_dir = "/home/torch"
c.ServerApp.quit_button = False
c.Application.log_level = "WARN"
