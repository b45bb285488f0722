"""Personal numbers that nobody can have: day + 60, valid to modulus 11, none given out twice."""

from functools import cache

import numpy as np

from etl.personal_number import MADE_UP_DAY, WEIGHTS

FIRST_BIRTH = np.datetime64("1900-01-01")
LAST_BIRTH = np.datetime64("2035-12-31")
# The seventh digit tells the century together with the year: 0–3 for 1900–1999, 4–8 for 2000–2035.
SEVENTH_DIGITS = ((0, 1, 2, 3), (4, 5, 6, 7, 8))


@cache
def _serials(remainder: int, is_2000s: bool, is_male: bool) -> np.ndarray:
    """Every four-digit serial that makes the weighted sum divisible by 11.

    `remainder` is the weighted sum of the six digits of the date, modulo 11. The order is shuffled
    once, the same way always, so that neighbours in birth do not get neighbouring numbers.
    """
    found = []
    for first_three in range(1000):
        digits = (first_three // 100, first_three // 10 % 10, first_three % 10)
        if digits[0] not in SEVENTH_DIGITS[is_2000s]:
            continue
        so_far = remainder + sum(w * d for w, d in zip(WEIGHTS[6:9], digits, strict=True))
        check = -so_far % 11
        # A check digit of 10 does not exist; the last digit is odd for men.
        if check < 10 and check % 2 == is_male:
            found.append(first_three * 10 + check)
    return np.random.default_rng(remainder).permutation(found)


class Issuer:
    """Gives out numbers; remembers how many each (birth date, sex) has had."""

    def __init__(self) -> None:
        days = int((LAST_BIRTH - FIRST_BIRTH).astype(int)) + 1
        self._given = np.zeros((days, 2), dtype=np.int64)

    def issue(self, births: np.ndarray, is_male: np.ndarray) -> np.ndarray:
        """One number for each birth date (datetime64[D], shape (n,)) and sex (bool, shape (n,)).

        Returns text of ten characters, shape (n,). Raises ValueError when a day has no number left.
        """
        births = births.astype("datetime64[D]")
        day = (births - FIRST_BIRTH).astype(np.int64)
        sex = is_male.astype(np.int64)
        nth = _rank_within(day * 2 + sex) + self._given[day, sex]
        np.add.at(self._given, (day, sex), 1)

        year = births.astype("datetime64[Y]").astype(int) + 1970
        month = births.astype("datetime64[M]").astype(int) % 12 + 1
        of_month = (births - births.astype("datetime64[M]")).astype(int) + 1 + MADE_UP_DAY
        date_part = of_month * 10_000 + month * 100 + year % 100
        digits = date_part[:, None] // 10 ** np.arange(5, -1, -1) % 10
        remainder = (digits * np.array(WEIGHTS[:6])).sum(axis=1) % 11

        serial = np.empty(len(births), dtype=np.int64)
        for which in range(44):
            r, is_2000s, male = which // 4, bool(which // 2 % 2), bool(which % 2)
            here = (remainder == r) & ((year >= 2000) == is_2000s) & (is_male == male)
            if here.any():
                table = _serials(r, is_2000s, male)
                if nth[here].max() >= len(table):
                    raise ValueError("no personal number is left for a day; spread the births more")
                serial[here] = table[nth[here]]
        return np.char.mod("%010d", date_part * 10_000 + serial)


def fail_modulus_11(numbers: np.ndarray) -> np.ndarray:
    """The same numbers with another last digit of the same parity: issued, but without a check.

    Two valid numbers never share their first nine digits, so none of these meets another.
    """
    last = np.array([int(number[9]) for number in numbers], dtype=np.int64)
    heads = np.array([number[:9] for number in numbers])
    return np.char.add(heads, ((last + 2) % 10).astype(str)) if len(numbers) else numbers


def _rank_within(groups: np.ndarray) -> np.ndarray:
    """0, 1, 2, … within each group, in order of appearance."""
    order = np.argsort(groups, kind="stable")
    sorted_groups = groups[order]
    starts = np.r_[0, np.flatnonzero(np.diff(sorted_groups)) + 1]
    counts = np.diff(np.r_[starts, len(groups)])
    rank = np.empty(len(groups), dtype=np.int64)
    rank[order] = np.arange(len(groups)) - np.repeat(starts, counts)
    return rank
