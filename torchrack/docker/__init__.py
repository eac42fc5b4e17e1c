"""Decisions of the ``docker`` stage: the engine, its version, daemon.json."""
