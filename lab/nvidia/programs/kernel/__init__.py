"""The kernel's part: loading the simulated module."""
