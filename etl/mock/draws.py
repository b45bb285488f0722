"""What is drawn for a block of persons at once: kinds by their shares, days by rates of age.

No loop runs over rows here: a mock of a nation has hundreds of millions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

NEVER = np.datetime64("9999-12-31")
YEAR_DAYS = 365.25
OLDEST_YEARS = 130
STEPS = 1 << 16


class Shares:
    """Draws kinds by their shares, exact to one in 65,536: one look-up for each draw.

    `shares` has shape (kinds,), or (groups, kinds) where the shares differ by group.
    """

    def __init__(self, shares: Sequence) -> None:
        shares = np.atleast_2d(np.asarray(shares, dtype=float))
        until = np.rint(shares.cumsum(axis=1) / shares.sum(axis=1, keepdims=True) * STEPS)
        step = np.arange(STEPS)
        self._kind = np.stack(
            [np.searchsorted(group, step, side="right") for group in until]
        ).astype(np.uint8)

    def draw(self, n: int, rng: np.random.Generator, group: np.ndarray | int = 0) -> np.ndarray:
        """Kinds (uint8, shape (n,)); `group` says whose shares count."""
        return self._kind[group, rng.integers(0, STEPS, n, dtype=np.uint16)]


class Rate:
    """Events per person-year that change with age: {from age in years: rate}."""

    def __init__(self, by_age: dict[int, float]) -> None:
        ages = np.array([*by_age, OLDEST_YEARS], dtype=float) * YEAR_DAYS
        self._ages = np.r_[0.0, ages] if ages[0] > 0 else ages
        per_day = np.array([*by_age.values()]) / YEAR_DAYS
        if ages[0] > 0:
            per_day = np.r_[0.0, per_day]
        self._until = np.r_[0.0, np.cumsum(per_day * np.diff(self._ages))]
        # Ages with a rate of nothing have no event to be found again.
        self._found = np.flatnonzero(np.r_[True, np.diff(self._until) > 0])
        if self._until[1] == 0:
            self._found = self._found[self._found > 0]
            self._found = np.r_[1, self._found]

    def events(
        self,
        born: np.ndarray,
        first: np.ndarray,
        last: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Whose event it is (int64, in order of person) and its day (datetime64[D]).

        `first` (included) and `last` (not) bound each person's time; where they cross there is
        none. The number is Poisson, the days are drawn by the rate at their age.
        """
        from_age = (first - born).astype(np.int64)
        to_age = np.maximum((last - born).astype(np.int64), from_age)
        before = np.interp(from_age, self._ages, self._until)
        expected = np.interp(to_age, self._ages, self._until) - before
        who = np.repeat(np.arange(len(born)), rng.poisson(expected))
        reached = before[who] + rng.random(len(who)) * expected[who]
        age = np.interp(reached, self._until[self._found], self._ages[self._found])
        age = np.clip(age.astype(np.int64), from_age[who], np.maximum(to_age - 1, from_age)[who])
        return who, born[who] + age.astype("timedelta64[D]")


@dataclass
class Running:
    """Running numbers, which go on from block to block."""

    contacts: int = 0
    tumours: int = 0
    # (laboratory, year) → requisitions so far
    requisitions: dict[tuple[int, int], int] = field(default_factory=dict)


def generator(seed: int, block: int, what: int) -> np.random.Generator:
    """The random numbers of one matter in one block: no block waits for another."""
    return np.random.default_rng([seed, block, what])


def days(years: np.ndarray) -> np.ndarray:
    """Years as whole days."""
    return (years * YEAR_DAYS).astype(np.int64).astype("timedelta64[D]")


def years_of(day: np.ndarray) -> np.ndarray:
    """Calendar years of days."""
    return day.astype("datetime64[Y]").astype(np.int64) + 1970


def text_of(words: Sequence[str | None], which: np.ndarray) -> pl.Series:
    """Words by their place in a list; None is missing."""
    return pl.Series(words, dtype=pl.String).gather(which.astype(np.uint32))


def dates(day: np.ndarray) -> pl.Series:
    """A column of dates; NEVER is missing."""
    day = day.astype("datetime64[D]")
    column = pl.Series(day.astype(np.int64).astype(np.int32)).cast(pl.Date)
    never = day == NEVER
    if never.any():
        column = pl.select(pl.when(pl.Series(~never)).then(column)).to_series()
    return column
