"""Decisions of the ``stamp`` stage: what was deployed, and where from."""

STAMP = "/etc/torchrack/deployed.json"
