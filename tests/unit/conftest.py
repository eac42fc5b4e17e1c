"""The fixtures of the unit tests, which tests/cases uses too."""

pytest_plugins = ["tests.unit.plan", "tests.budget"]
