"""The lab's fixtures, which tests/cases uses too."""

pytest_plugins = ["tests.lab.fixtures", "tests.budget"]
