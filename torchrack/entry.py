"""Where the program starts: before anything else is imported.

Commands that run a deploy do it with pyinfra, which stands on gevent; gevent has to patch the
standard library before threads, sockets and TLS are in use. Commands that only look at hosts go
without: plain threads are faster for them.
"""

from __future__ import annotations

import gc
import sys

_GARBAGE = 50_000
"""Objects made before Python looks for cycles among them; at its own 700 that takes a tenth of a
check, whose objects are modules, which stay, and answers, which go by themselves."""
_DEPLOYING = (["deploy"], ["drift", "fix"], ["onboard"])


def main() -> None:
    """Run the command line."""
    gc.set_threshold(_GARBAGE, 20, 20)
    if any(sys.argv[1 : 1 + len(words)] == words for words in _DEPLOYING):
        from gevent import monkey  # noqa: PLC0415

        monkey.patch_all()
    from torchrack.cli import main as command  # noqa: PLC0415

    command()


if __name__ == "__main__":
    main()
