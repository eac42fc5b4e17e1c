"""Alerts: somebody is told when the state of a fleet changes, and only then."""
