"""How long the contract of many hosts takes, offline: ``python bench/resolver.py``.

Resolves hosts of different hardware, distributions and wishes, some of them impossible, and prints
the seconds for each 100 of them (minimum, median, maximum of the hundreds), and the verdicts.
"""

from __future__ import annotations

import argparse
import datetime as dt
import random
import statistics
import time
from collections import Counter

from torchrack.contract import Facts, ImageWish, Wishes, resolve
from torchrack.knowledge import builtin

GPUS = ["1db5", "15f8", "1eb8", "20b2", "2684", "2330", "2335", "2901", "2b85", "3182"]


def main() -> None:
    """Resolve the hosts and print the timings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=3)
    chosen = parser.parse_args()
    known = builtin()
    hosts = _hosts(chosen.hosts, random.Random(chosen.seed))  # noqa: S311 - a fixed sample, no secret
    verdicts: Counter[str] = Counter()
    hundreds = []
    for start in range(0, len(hosts), 100):
        begin = time.perf_counter()
        for facts, wishes in hosts[start : start + 100]:
            answer = resolve(facts, wishes, today=dt.date(2026, 11, 21), knowledge=known)
            verdicts[answer.verdict] += 1
        hundreds.append(time.perf_counter() - begin)
    print(f"{len(hosts)} hosts: {', '.join(f'{n} {v}' for v, n in sorted(verdicts.items()))}")
    middle = statistics.median(hundreds)
    print(f"seconds for 100 hosts: {min(hundreds):.3f} {middle:.3f} {max(hundreds):.3f}")


def _hosts(count: int, choose: random.Random) -> list[tuple[Facts, Wishes]]:
    known = builtin()
    releases, branches = list(known.releases), [str(branch) for branch in known.branches]
    found = []
    for _ in range(count):
        kinds = choose.sample(GPUS, choose.choice([1, 1, 1, 2]))
        facts = Facts(
            gpus=tuple(kinds * 4),
            system=choose.choice(["ubuntu2204", "ubuntu2404", "debian13"]),
            nvswitches=choose.choice([0, 0, 4]),
            kernel=f"6.8.0-{choose.randrange(30, 90)}-generic",
            secure_boot=choose.choice([False, False, True]),
        )
        images = tuple(
            ImageWish(f"image{number}", torch=choose.choice(["auto", *releases]))
            for number in range(choose.randrange(3))
        )
        driver = choose.choice(["auto", "auto", "auto", *branches])
        found.append((facts, Wishes(driver=driver, images=images)))
    return found


if __name__ == "__main__":
    main()
