"""Whether this machine can look after a fleet: what is checked, and what mends it."""
