"""Servers that are in use already: what they run, and the settings that would match it."""
