"""Decisions of the ``workloads`` stage: what a container is to be, and what has to change."""
