"""How many persons ended their follow-up at each time, and how; and when they entered."""

from dataclasses import dataclass, field

import numpy as np

CENSORED = 0
# Under observation from the start, time 0 included.
FROM_THE_START = -np.inf


@dataclass(frozen=True)
class Cells:
    """Persons who are alike in everything that an estimate looks at; arrays of shape (n_cells,).

    Attributes:
        time_index: Position of the end of follow-up in `Counts.times`.
        code: How it ended; 0 is censored.
        entry: When they came under observation; `FROM_THE_START` for no delayed entry.
        persons: How many they are.
        weight: What each of them weighs.
        cluster: Whole numbers from 0; None where everyone is a cluster of their own.
    """

    time_index: np.ndarray
    code: np.ndarray
    entry: np.ndarray
    persons: np.ndarray
    weight: np.ndarray
    cluster: np.ndarray | None


@dataclass(frozen=True)
class Counts:
    """One group: persons per distinct time and event. Made by `count_events`.

    A person is under observation on (entry, time]: at risk at the time of leaving, not yet at the
    time of entry. Where weights are given, every number is a sum of weights.

    Attributes:
        times: Distinct times, ascending, shape (n_times,). Any unit; the same for all groups.
        causes: Event codes other than censoring, ascending, shape (n_causes,).
        events: Persons with each cause at each time, shape (n_causes, n_times).
        censored: Persons censored at each time, shape (n_times,).
        at_risk: Persons under observation just before each time, shape (n_times,).
        is_exhausted: Whether a time's events leave nobody at risk, shape (n_times,).
        has_entry, has_weights: Whether anyone enters late, or weighs anything but 1.
        cells: The same persons in finer cells.
    """

    times: np.ndarray
    causes: np.ndarray
    events: np.ndarray
    censored: np.ndarray
    at_risk: np.ndarray
    is_exhausted: np.ndarray
    has_entry: bool = False
    has_weights: bool = False
    cells: Cells = field(repr=False, compare=False, default=None)

    @property
    def n(self) -> int | float:
        """All persons of the group, whenever they came under observation."""
        return self.leaving.sum().item()

    @property
    def n_persons(self) -> int:
        """Persons, whatever they weigh."""
        return int(self.cells.persons.sum())

    @property
    def has_whole_weights(self) -> bool:
        """Weights that may stand for so many persons alike."""
        weight = self.cells.weight
        return bool((weight == np.floor(weight)).all())

    @property
    def leaving(self) -> np.ndarray:
        """Persons whose follow-up ends at each time, shape (n_times,)."""
        return self.events.sum(axis=0) + self.censored

    @property
    def last_time(self) -> float | None:
        """When the last person left; None where there was nobody."""
        return self.times[-1].item() if self.times.size else None

    def starting(self, horizon: float) -> float:
        """Persons whom a risk by the horizon rests on where nothing has happened.

        Without delayed entry all, at risk at the start; with it the most who were at risk at one
        time. Weights count as Kish's effective number (Σw)²/Σw².
        """
        if not self.times.size:
            return 0
        n = self.n
        if self.has_entry:
            seen = self.at_risk[self.times <= horizon]
            n = seen.max().item() if seen.size else self.at_risk_before(horizon)
        if not self.has_weights:
            return n
        cells = self.cells
        total = (cells.persons * cells.weight).sum()
        return float(n * total / (cells.persons * cells.weight**2).sum())

    def at_risk_before(self, horizon: float) -> int | float:
        """Persons under observation just before the horizon."""
        if not self.has_entry:
            # From the end, so that it is exactly 0 after the last.
            return self.leaving[self.times >= horizon].sum().item()
        cells = self.cells
        under = (cells.entry < horizon) & (self.times[cells.time_index] >= horizon)
        n = cells.persons[under]
        return (n * cells.weight[under]).sum().item() if self.has_weights else n.sum().item()

    def of_cause(self, cause: int) -> np.ndarray:
        """Persons with the cause at each time, shape (n_times,); zeros where nobody had it."""
        return self.events[self.causes == cause].sum(axis=0)

    def of_other_causes(self, cause: int) -> np.ndarray:
        """Persons with any competing event at each time, shape (n_times,)."""
        return self.events[self.causes != cause].sum(axis=0)


def count_events(
    times, event_codes, persons=None, *, entries=None, weights=None, clusters=None
) -> Counts:
    """Count persons per distinct time and event.

    Args:
        times: End of follow-up, shape (n_rows,); 0 is allowed. Ties are expected and exact.
        event_codes: How it ended, whole numbers, shape (n_rows,): 0 censored, 1, 2, … events.
        persons: Persons that each row stands for, shape (n_rows,); None means one each.
        entries: When each came under observation, shape (n_rows,); 0 is from the start, time 0
            included. None means that for all. One person may stand in several rows, one after the
            other, if `clusters` names the person.
        weights: What each person of a row weighs, shape (n_rows,); None means 1.
        clusters: Persons who are not independent of one another share a value, shape (n_rows,).

    Returns:
        Counts. Row order and the splitting of rows do not matter. No rows give an empty group.

    Raises:
        ValueError: if shapes differ; a time, entry, weight or number of persons is negative or not
            finite; an entry is not before its time; a code or a number of persons is not whole.
    """
    times, codes = np.asarray(times), np.asarray(event_codes)
    persons = np.ones(times.shape, dtype=np.int64) if persons is None else np.asarray(persons)
    given = {"times": times, "event codes": codes, "persons": persons}
    if entries is not None:
        given["entries"] = entries = np.asarray(entries)
    if weights is not None:
        given["weights"] = weights = np.asarray(weights)
    if clusters is not None:
        given["clusters"] = clusters = np.asarray(clusters)
    if times.ndim != 1 or any(column.shape != times.shape for column in given.values()):
        shapes = ", ".join(f"{name} {column.shape}" for name, column in given.items())
        raise ValueError(f"The shapes differ: {shapes}. They must be one-dimensional and equal.")
    _hold_numbers(times, "A time")
    codes = _whole_numbers(codes, "An event code")
    persons = _whole_numbers(persons, "A number of persons")
    # Rows that stand for nobody must not lengthen the follow-up.
    keep = persons > 0
    if weights is not None:
        _hold_numbers(weights, "A weight")
        keep &= weights > 0
        weights = weights.astype(float)
    if entries is not None:
        _hold_numbers(entries, "An entry")
        if ((entries > times) | ((entries == times) & (times > 0))).any():
            raise ValueError("An entry is not before the end of follow-up.")
    if not keep.all():
        times, codes, persons = times[keep], codes[keep], persons[keep]
        entries, weights, clusters = (
            None if column is None else column[keep] for column in (entries, weights, clusters)
        )
    has_entry = entries is not None and bool((entries > 0).any())
    has_weights = weights is not None and bool((weights != 1).any())

    distinct, time_index = np.unique(times, return_inverse=True)
    causes = np.unique(codes[codes != CENSORED])
    # Row 0 of the table is censoring, row 1 the first cause, and so on.
    row = np.where(codes == CENSORED, 0, np.searchsorted(causes, codes) + 1)
    shape = (causes.size + 1, distinct.size)
    mass = persons * weights if has_weights else persons
    table = _table(row, time_index, mass, shape)
    entry = np.where(entries > 0, entries, FROM_THE_START) if has_entry else None
    at_risk = _at_risk(distinct, table.sum(axis=0), entry, mass)
    if has_weights:
        # Sums of weights miss 0 by rounding; whole persons say whether anyone is left.
        whole = _table(row, time_index, persons, shape)
        left = _at_risk(distinct, whole.sum(axis=0), entry, persons)
        is_exhausted = whole[1:].sum(axis=0) == left
        at_risk = np.where(is_exhausted, table[1:].sum(axis=0), at_risk)
    else:
        is_exhausted = table[1:].sum(axis=0) == at_risk

    if not (has_entry or has_weights or clusters is not None):
        # The table itself, which may be far smaller than the rows.
        row, time_index = np.nonzero(table)
        codes, persons = np.append(CENSORED, causes)[row], table[row, time_index]
    cells = Cells(
        time_index=time_index,
        code=codes,
        entry=entry if has_entry else np.broadcast_to(FROM_THE_START, codes.shape),
        persons=persons,
        weight=weights if has_weights else np.broadcast_to(1.0, codes.shape),
        cluster=None if clusters is None else np.unique(clusters, return_inverse=True)[1],
    )
    return Counts(
        times=distinct,
        causes=causes,
        events=table[1:],
        censored=table[0],
        at_risk=at_risk,
        is_exhausted=is_exhausted,
        has_entry=has_entry,
        has_weights=has_weights,
        cells=cells,
    )


def _table(row: np.ndarray, column: np.ndarray, mass: np.ndarray, shape) -> np.ndarray:
    table = np.zeros(shape, dtype=mass.dtype)
    np.add.at(table, (row, column), mass)
    return table


def _at_risk(times, leaving, entry, mass) -> np.ndarray:
    # From the end, so that whoever leaves last leaves nothing behind, weights or not.
    staying = np.cumsum(leaving[::-1])[::-1]
    if entry is None:
        return staying
    # Whoever is still to come at a time is not at risk at it.
    order = np.argsort(-entry, kind="stable")
    coming = np.append(0, np.cumsum(mass[order]))
    return staying - coming[np.searchsorted(-entry[order], -times, side="right")]


def _hold_numbers(values: np.ndarray, what: str) -> None:
    if not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"{what} is negative or not finite.")


def _whole_numbers(values: np.ndarray, what: str) -> np.ndarray:
    if not np.isfinite(values).all() or (values < 0).any() or (values != np.floor(values)).any():
        raise ValueError(f"{what} is negative or not a whole number.")
    return values.astype(np.int64)


def last_event(counts: Counts, cause: int) -> float | None:
    """The last time at which anyone had the event; None where nobody had."""
    seen = np.flatnonzero(counts.of_cause(cause))
    return counts.times[seen[-1]].item() if seen.size else None
