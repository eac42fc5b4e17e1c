"""Decisions of the ``images`` stage: what to pull, what to remove, what a failure means."""
