"""Personal numbers that nobody can have: day + 60, none given out twice.

They are valid to modulus 11 until a day and sex has no such number left; then, as the civil
register has done since 2007, numbers without a valid check digit are given out too.
"""

from functools import cache

import numpy as np

from etl.errors import DeliveryError
from etl.personal_number import MADE_UP_DAY, WEIGHTS

FIRST_BIRTH = np.datetime64("1900-01-01")
LAST_BIRTH = np.datetime64("2035-12-31")
# First birth year → seventh digits that tell it together with the two digits of the year.
SEVENTH_DIGITS = {1900: (0, 1, 2, 3), 1937: (0, 1, 2, 3, 4, 9), 2000: (4, 5, 6, 7, 8, 9)}


@cache
def _serials() -> np.ndarray:
    """Every four-digit serial that makes the weighted sum divisible by 11, then as many without.

    −1 stands after the last. Shape (remainder, era, sex, nth): the remainder is the weighted sum of
    the six digits of the date, modulo 11. The order is shuffled once, the same way always, so that
    neighbours in birth do not get neighbouring numbers.
    """
    found: dict[tuple[int, int, int], list[int]] = {}
    for remainder in range(11):
        for era, seventh_digits in enumerate(SEVENTH_DIGITS.values()):
            for first_three in range(1000):
                digits = (first_three // 100, first_three // 10 % 10, first_three % 10)
                if digits[0] not in seventh_digits:
                    continue
                so_far = remainder + sum(w * d for w, d in zip(WEIGHTS[6:9], digits, strict=True))
                check = -so_far % 11
                # A check digit of 10 does not exist; the last digit is odd for men.
                if check < 10:
                    serials = found.setdefault((remainder, era, check % 2), [])
                    serials.append(first_three * 10 + check)
    table = np.full((11, len(SEVENTH_DIGITS), 2, 2 * max(map(len, found.values()))), -1)
    for (remainder, era, sex), serials in found.items():
        valid = np.random.default_rng(remainder).permutation(serials)
        table[remainder, era, sex, : 2 * len(serials)] = np.r_[valid, _another_last_digit(valid, 4)]
    return table


class Issuer:
    """Gives out numbers; remembers how many each (birth date, sex) has had."""

    def __init__(self) -> None:
        days = int((LAST_BIRTH - FIRST_BIRTH).astype(int)) + 1
        self._given = np.zeros(days * 2, dtype=np.int64)

    def issue(self, births: np.ndarray, is_male: np.ndarray) -> np.ndarray:
        """One number for each birth date (datetime64[D], shape (n,)) and sex (bool, shape (n,)).

        Returns text of ten characters, shape (n,). Raises DeliveryError when a day has no number
        left.
        """
        return self.issue_whole(births, is_male).astype("U10")

    def issue_whole(self, births: np.ndarray, is_male: np.ndarray) -> np.ndarray:
        """The same as whole numbers, shape (n,): day + 60 leaves none that begins with a zero."""
        births = births.astype("datetime64[D]")
        day_and_sex = (births - FIRST_BIRTH).astype(np.int64) * 2 + is_male
        nth = _rank_within(day_and_sex) + self._given[day_and_sex]
        self._given += np.bincount(day_and_sex, minlength=len(self._given))

        year = births.astype("datetime64[Y]").astype(np.int64) + 1970
        month = births.astype("datetime64[M]").astype(np.int64) % 12 + 1
        of_month = (births - births.astype("datetime64[M]")).astype(np.int64) + 1 + MADE_UP_DAY
        date_part = of_month * 10_000 + month * 100 + year % 100
        remainder = (
            sum(
                w * (date_part // 10**place % 10)
                for w, place in zip(WEIGHTS[:6], range(5, -1, -1), strict=True)
            )
            % 11
        )

        table = _serials()
        era = np.searchsorted([*SEVENTH_DIGITS], year, side="right") - 1
        is_beyond = nth >= table.shape[-1]
        serial = table[remainder, era, is_male.astype(np.int64), np.where(is_beyond, 0, nth)]
        if (is_beyond | (serial < 0)).any():
            raise DeliveryError(
                f"{int(self._given.sum()):,} personal numbers: none is left for a day of birth. "
                f"Expected at most {2 * fewest_of_a_day()} of a day and sex. Name fewer persons."
            )
        return date_part * 10_000 + serial


def fewest_of_a_day(year: int = 1900) -> int:
    """How many valid numbers the day of a year has for one sex, where it has the fewest."""
    era = int(np.searchsorted([*SEVENTH_DIGITS], year, side="right")) - 1
    return int((_serials()[:, era] >= 0).sum(axis=-1).min()) // 2


def fail_modulus_11(numbers: np.ndarray) -> np.ndarray:
    """The same numbers with another last digit of the same parity: issued, but without a check.

    Two valid numbers never share their first nine digits, so none of these meets another, nor one
    that was given out without a check. Takes and gives text of ten characters, or whole numbers.
    """
    return _another_last_digit(numbers.astype(np.int64), 2).astype(numbers.dtype)


def _another_last_digit(numbers: np.ndarray, more: int) -> np.ndarray:
    last = numbers % 10
    return numbers - last + (last + more) % 10


def _rank_within(groups: np.ndarray) -> np.ndarray:
    """0, 1, 2, … within each group, in order of appearance."""
    order = np.argsort(groups, kind="stable")
    sorted_groups = groups[order]
    starts = np.r_[0, np.flatnonzero(np.diff(sorted_groups)) + 1]
    counts = np.diff(np.r_[starts, len(groups)])
    rank = np.empty(len(groups), dtype=np.int64)
    rank[order] = np.arange(len(groups)) - np.repeat(starts, counts)
    return rank
