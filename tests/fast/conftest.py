"""The lab's fixtures, for what people run while they work."""

pytest_plugins = ["tests.lab.fixtures", "tests.budget"]
