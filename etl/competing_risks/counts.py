"""How many persons ended their follow-up at each time, and how."""

from dataclasses import dataclass

import numpy as np

CENSORED = 0


@dataclass(frozen=True)
class Counts:
    """One group: persons per distinct time and event. Made by `count_events`.

    Attributes:
        times: Distinct times, ascending, shape (n_times,). Any unit; the same for all groups.
        causes: Event codes other than censoring, ascending, shape (n_causes,).
        events: Persons with each cause at each time, shape (n_causes, n_times).
        censored: Persons censored at each time, shape (n_times,).
    """

    times: np.ndarray
    causes: np.ndarray
    events: np.ndarray
    censored: np.ndarray

    @property
    def n(self) -> int:
        """Persons in the group; all of them are at risk at the start."""
        return int(self.leaving.sum())

    @property
    def leaving(self) -> np.ndarray:
        """Persons whose follow-up ends at each time, shape (n_times,)."""
        return self.events.sum(axis=0) + self.censored

    @property
    def at_risk(self) -> np.ndarray:
        """Persons under observation just before each time, shape (n_times,).

        Who is censored at a time is at risk at that time. Persons who enter late would be one more
        vector per time, counted in here from the time after their entry.
        """
        return self.n - np.cumsum(self.leaving) + self.leaving

    @property
    def last_time(self) -> float | None:
        """When the last person left; None where there was nobody."""
        return self.times[-1].item() if self.times.size else None

    def at_risk_before(self, horizon: float) -> int:
        """Persons under observation just before the horizon."""
        return self.n - int(self.leaving[self.times < horizon].sum())

    def of_cause(self, cause: int) -> np.ndarray:
        """Persons with the cause at each time, shape (n_times,); zeros where nobody had it."""
        return self.events[self.causes == cause].sum(axis=0)

    def of_other_causes(self, cause: int) -> np.ndarray:
        """Persons with any competing event at each time, shape (n_times,)."""
        return self.events[self.causes != cause].sum(axis=0)


def count_events(times, event_codes, persons=None) -> Counts:
    """Count persons per distinct time and event.

    Args:
        times: End of follow-up, shape (n_rows,); 0 is allowed. Ties are expected and exact.
        event_codes: How it ended, whole numbers, shape (n_rows,): 0 censored, 1, 2, … events.
        persons: Persons that each row stands for, shape (n_rows,); None means one each.

    Returns:
        Counts. Row order and the splitting of rows do not matter. No rows give an empty group.

    Raises:
        ValueError: if shapes differ, or a time or a count is negative or not finite, or an event
            code or a count is not whole or is negative.
    """
    times = np.asarray(times)
    codes = np.asarray(event_codes)
    persons = np.ones(times.shape, dtype=np.int64) if persons is None else np.asarray(persons)
    if not times.shape == codes.shape == persons.shape or times.ndim != 1:
        raise ValueError(
            f"times, event codes and persons have shapes {times.shape}, {codes.shape} and "
            f"{persons.shape}; they must be one-dimensional and equal."
        )
    if not np.isfinite(times).all() or (times < 0).any():
        raise ValueError("A time is negative or not finite.")
    codes = _whole_numbers(codes, "An event code")
    persons = _whole_numbers(persons, "A number of persons")
    # Rows that stand for nobody must not lengthen the follow-up.
    times, codes, persons = (column[persons > 0] for column in (times, codes, persons))
    distinct, row_time = np.unique(times, return_inverse=True)
    causes = np.unique(codes[codes != CENSORED])
    table = np.zeros((causes.size + 1, distinct.size), dtype=np.int64)
    # Row 0 of the table is censoring, row 1 the first cause, and so on.
    row = np.where(codes == CENSORED, 0, np.searchsorted(causes, codes) + 1)
    np.add.at(table, (row, row_time), persons)
    return Counts(times=distinct, causes=causes, events=table[1:], censored=table[0])


def _whole_numbers(values: np.ndarray, what: str) -> np.ndarray:
    if not np.isfinite(values).all() or (values < 0).any() or (values != np.floor(values)).any():
        raise ValueError(f"{what} is negative or not a whole number.")
    return values.astype(np.int64)
