"""Decisions and proofs of the ``sshd`` stage."""
