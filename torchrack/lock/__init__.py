"""The lock: the exact versions and digests that a fleet runs, in a file beside its inventory."""
