"""Lines on stderr in the form of NVIDIA's tools, and the error that ends them."""

import sys
from datetime import datetime

quiet = False


class Failure(Exception):
    """End the program with status 1 after this line on stderr."""


def line(level: str, message: str) -> None:
    """Print a log line."""
    if not (quiet and level == "info"):
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        text = message.replace('"', '\\"')
        print(f'time="{now}" level={level} msg="{text}"', file=sys.stderr)
