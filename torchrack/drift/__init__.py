"""The drift check: what differs on a fleet, since when, and what mends it. Read-only."""
