"""make prove-disclosure: thousands of drawn studies, each exported twice, and an attacker.

Every study is attacked as it is exported. Every tenth is attacked also with small counts alone
hidden, and with a second export that forgets the first: those must be broken into, or the attacker
is no test.
"""

import os
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from etl import disclosure
from etl.errors import DisclosureError
from tests.attack import attack, told_apart
from tests.drawn_studies import counted, draw, refreshed

STUDIES = int(os.environ.get("STUDIES", "1000"))
THRESHOLDS = (5, 5, 3, 10)
EVERY = 100
TENTH = 20  # two in twenty, so that both groupings are among them


def attacked(seed: int) -> tuple[list[str], int, int, int, int] | None:
    """(given away, small counts alone hidden, first one forgotten, numbers hidden, in all).

    None where the export is refused.
    """
    random = np.random.default_rng(seed)
    by = (None, "grade")[seed % 2]
    threshold = THRESHOLDS[seed % len(THRESHOLDS)]
    persons = draw(random)
    later = refreshed(random, persons)
    numbers, later_numbers = counted(persons, by), counted(later, by)
    try:
        first = disclosure.protect_study(numbers, threshold)
        before = [{"counts": first.counts, "printed": first.printed}]
        second = disclosure.protect_study(later_numbers, threshold, before)
    except DisclosureError:
        return None
    known, true, given = attack(first, persons, 1, by, threshold)
    known_later, true_later, given_later = attack(second, later, 2, by, threshold)
    apart = told_apart(known, known_later, (true, true_later), threshold)
    given_alone = apart_anew = None
    if seed % TENTH in (0, 1):
        alone = disclosure.protect_study(numbers, threshold, secondary=False)
        *_, given_alone = attack(alone, persons, 1, by, threshold)
        forgetful = disclosure.protect_study(later_numbers, threshold)
        known_anew, *_ = attack(forgetful, later, 2, by, threshold)
        apart_anew = told_apart(known, known_anew, (true, true_later), threshold)
    hidden = sum(row["hidden"] for row in first.table("hidden").dicts())
    numbers_in_all = sum(row["numbers"] for row in first.table("hidden").dicts())
    found = [f"study {seed}: {one}" for one in (*given, *given_later, *apart)]
    return found, bool(given_alone), bool(apart_anew), hidden, numbers_in_all


def main() -> int:
    found, alone, forgetful, hidden, numbers, refused = [], 0, 0, 0, 0, 0
    with ProcessPoolExecutor(int(os.environ.get("KOBLING_THREADS", "2"))) as pool:
        for done, answer in enumerate(pool.map(attacked, range(STUDIES), chunksize=5), 1):
            if done % EVERY == 0:
                print(f"  {done:,} of {STUDIES:,} studies", flush=True)
            if answer is None:
                refused += 1
                continue
            found += answer[0]
            alone, forgetful = alone + answer[1], forgetful + answer[2]
            hidden, numbers = hidden + answer[3], numbers + answer[4]
            for one in answer[0]:
                print(one, flush=True)
    print(f"{STUDIES:,} studies, two exports each: {len(found)} small counts recovered.")
    print(f"  refused: {refused:,} studies")
    print(f"  hidden: {hidden:,} of {numbers:,} numbers of first exports")
    print(f"  with small counts alone hidden: {alone:,} studies broken into")
    print(f"  with a second export that forgets the first: {forgetful:,} studies broken into")
    return 1 if found or not alone or not forgetful else 0


if __name__ == "__main__":
    sys.exit(main())
