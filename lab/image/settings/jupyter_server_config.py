"""Jupyter's settings in this image; the token comes from a mounted file, never argv or env."""

from pathlib import Path

c = get_config()  # noqa: F821 - defined by traitlets, which executes this file

# An empty token would mean no authentication at all; without one Jupyter makes its own.
token_file = Path("/run/torchrack/secrets/jupyter_token")
if token_file.is_file() and (token := token_file.read_text(encoding="utf-8").strip()):
    c.IdentityProvider.token = token

c.ServerApp.ip = "0.0.0.0"  # noqa: S104 - the container's own network; the host publishes
c.ServerApp.port = 8888
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.root_dir = "/home/torch"
c.ServerApp.quit_button = False
c.Application.log_level = "WARN"
