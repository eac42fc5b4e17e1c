"""Decisions of the ``stamp`` stage: what was deployed, and where from."""
