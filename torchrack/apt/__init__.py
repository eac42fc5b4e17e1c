"""APT repositories and their keys."""
