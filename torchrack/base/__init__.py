"""Decisions of the ``base`` stage: accounts, keys, certificates, what is held back."""
