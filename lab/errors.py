"""The one error a lab command ends with: a sentence for the person who typed it."""


class LabError(Exception):
    """What was found, what was needed and what to do next, ready to be printed."""
