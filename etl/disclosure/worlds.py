"""Which numbers may be printed, so that no small count follows from those that are.

All that could be printed of a study is said about the same few counts: persons by level, by outcome
and by span of time. Each number that is printed is a linear statement about them. A small count is
safe when there is **another world**: other whole counts, none below zero, of which every printed
number is as true as of the real ones, and in which this count is none or at least the threshold.
Where there is no such world, the numbers that stand in its way are hidden, those first that are
least missed. One integer programme answers both: whether there is a world, and what to hide.

A reader is taken to know how this works, so a hidden count is taken to be at least one: noughts are
never hidden. Noughts and everything that is printed hold in every world.

The idea of asking a solver for what an attacker could find is that of cell suppression: Fischetti &
Salazar (2001), Management Science 47:1008–1027.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from etl.errors import DisclosureError

PRIMARY, SECONDARY, DIFFERENCING, RESTS = "primary", "secondary", "differencing", "rests on hidden"

Key = tuple[str, ...]
# Sums of floating-point weights: far below what a printed decimal says of a count.
EXACT = 1e-9
# From this cost on it is worth while to look beyond the nearest counts.
DEAR = 6
Sum = Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """`low` ≤ sum of weight × count ≤ `high`, for as long as each of `claims` is printed."""

    weights: dict[str, float]
    low: float
    high: float
    claims: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Claim:
    """A number that may be printed. `cost` is what its loss would be to a reader.

    `count` is None for a statistic. `is_exact` is false for a count that is printed rounded.
    `rests_on` are the claims without which it is not printed either.
    """

    key: Key
    cost: float
    weights: dict[str, float] | None = None
    count: int | None = None
    is_exact: bool = True
    rests_on: tuple[Key, ...] = ()


@dataclass
class Statements:
    """The counts of a study, and what could be printed of them."""

    threshold: int
    counts: dict[str, int] = field(default_factory=dict)
    near: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    claims: dict[Key, Claim] = field(default_factory=dict)
    watched: dict[str, Sum] = field(default_factory=dict)

    def count(self, name: str, value: int, near: str = "") -> str:
        """A count that everything else is said about; watched.

        Counts of one `near` are looked at by themselves first, which is quicker: nearly always
        there is another world that differs in them alone.
        """
        self.counts[name] = int(value)
        self.near[name] = near
        self.watched[name] = {name: 1.0}
        return name

    def of(self, weights: Sum) -> float:
        """The sum as it truly is."""
        return sum(weight * self.counts[name] for name, weight in weights.items())

    def always(self, weights: Sum, low: float, high: float) -> None:
        """What holds whatever is printed, and what everybody knows.

        Raises ValueError where it does not hold of the true counts.
        """
        if not low <= self.of(weights) <= high:
            raise ValueError(f"{sorted(weights)[:3]}: the sum is not within {low} to {high}")
        self.rows.append(Row(dict(weights), low, high))

    def watch(self, name: str, parts: Iterable[str]) -> None:
        """A union of counts that is itself not to be known where it is small."""
        self.watched[name] = dict.fromkeys(parts, 1.0)

    def exact(self, key: Key, parts: Iterable[str], cost: float) -> None:
        """A count that could be printed as it is."""
        weights = dict.fromkeys(parts, 1.0)
        value = round(self.of(weights))
        self.claims[key] = Claim(key, cost, weights, value)
        self.rows.append(Row(weights, value, value, (key,)))

    def rounded(self, key: Key, parts: Iterable[str], cost: float) -> None:
        """A count that could be printed to the nearest multiple of the threshold."""
        weights = dict.fromkeys(parts, 1.0)
        value = round(self.of(weights))
        low, high = span_of_rounded(rounded_to(value, self.threshold), self.threshold)
        self.claims[key] = Claim(key, cost, weights, value, is_exact=False)
        self.rows.append(Row(weights, low, high, (key,)))

    def statistic(
        self, key: Key, cost: float, rows: list[tuple[Sum, float, float]], rests_on: tuple[Key, ...]
    ) -> None:
        """A risk or another number from counts, with what follows from it about them.

        Of `rows` those are kept that hold of the true counts: the others say nothing true.
        """
        self.claims[key] = Claim(key, cost, rests_on=rests_on)
        for weights, low, high in rows:
            if low <= self.of(weights) <= high:
                self.rows.append(Row(dict(weights), low, high, (key, *rests_on)))


def rounded_to(count: int, threshold: int) -> int:
    """To the nearest multiple of the threshold: half of an even one goes up."""
    return threshold * ((2 * count + threshold) // (2 * threshold))


def span_of_rounded(printed: int, threshold: int) -> tuple[int, int]:
    """The counts that are rounded to what is printed, both ends included.

    A small count is hidden and not rounded, so a nought is a nought.
    """
    low = printed - threshold // 2
    return (max(low, threshold), low + threshold - 1) if printed else (0, 0)


def protect(
    said: Statements, before: Iterable[Mapping[str, Mapping[str, int]]] = (), secondary: bool = True
) -> dict[Key, str]:
    """The claims that are not to be printed, each with why; all others may be.

    `before`: of each earlier export the counts that it rested on ("counts", by name) and the exact
    ones that it printed ("printed", by the key joined with " / "). A number may not be printed that
    differs from an earlier one by less than the threshold.

    `secondary=False` hides small counts alone: for the test that shows why that is not enough.

    Raises:
        DisclosureError: if a small count cannot be kept from following, whatever is hidden.
    """
    before = list(before)
    hidden: dict[Key, str] = {}
    for key, claim in said.claims.items():
        if claim.count is None:
            continue
        if 0 < claim.count < said.threshold:
            hidden[key] = PRIMARY
        elif (
            claim.count
            and claim.is_exact
            and any(
                0
                < abs(claim.count - earlier["printed"].get(" / ".join(key), claim.count))
                < said.threshold
                for earlier in before
            )
        ):
            hidden[key] = DIFFERENCING
    _let_fall(said, hidden)
    if secondary:
        _Search(said, hidden, before).run()
    return hidden


def _let_fall(said: Statements, hidden: dict[Key, str]) -> None:
    """Hide what rests on something hidden."""
    for key, claim in said.claims.items():
        if key not in hidden and any(other in hidden for other in claim.rests_on):
            hidden[key] = RESTS


@dataclass(frozen=True)
class _Target:
    """A sum that must be able to lie at `low` or below, or at `high` or above.

    `is_must` is false where an earlier export did not print the number: what is known of it there
    is wide, and where it is a nought now, there is nothing to be hidden here.
    """

    name: str
    weights: Sum
    low: int
    high: int
    is_must: bool = True

    def is_met(self, value: float) -> bool:
        return value <= self.low or value >= self.high


class _Search:
    """For every small count another world."""

    def __init__(self, said: Statements, hidden: dict[Key, str], before: list):
        self.said, self.hidden, self.before = said, hidden, before
        self.names = list(said.counts)
        self.place = {name: number for number, name in enumerate(self.names)}
        self.truth = np.array([said.counts[name] for name in self.names], dtype=float)

    def run(self) -> None:
        pending = self._targets()
        while pending:
            target = pending.pop(0)
            world = self._world_for(target)
            if world is None:
                continue
            # One world often serves many counts.
            pending = [one for one in pending if not one.is_met(self._value(one.weights, world))]

    def _targets(self) -> list[_Target]:
        """What must have another world: the smallest first, since they need the most hidden."""
        threshold = self.said.threshold
        sums = {name: dict(weights) for name, weights in self.said.watched.items()}
        sums |= {
            " / ".join(key): claim.weights
            for key, claim in self.said.claims.items()
            if claim.count is not None and claim.is_exact and key in self.hidden
        }
        targets = []
        for name, weights in sums.items():
            value = round(self.said.of(weights))
            if 0 < value < threshold:
                targets.append(_Target(name, weights, 0, threshold))
            for earlier in self.before:
                known = earlier["printed"].get(name, earlier["counts"].get(name, value))
                is_must = name in earlier["printed"]
                if 0 < value - known < threshold:
                    targets.append(_Target(name, weights, known, known + threshold, is_must))
                elif 0 < known - value < threshold:
                    targets.append(_Target(name, weights, known - threshold, known, is_must))
        return sorted(targets, key=lambda one: (len(one.weights), one.name))

    def _value(self, weights: Sum, world: np.ndarray) -> float:
        return sum(weight * world[self.place[name]] for name, weight in weights.items())

    def _world_for(self, target: _Target) -> np.ndarray | None:
        """Another world for this count, hiding what stands in its way."""
        near = {self.said.near[name] for name in target.weights}
        close = np.array([self.said.near[name] in near for name in self.names])
        for free in (close, np.ones(len(self.names), bool)):
            found = [
                one
                for side in ((target.high, np.inf), (-np.inf, target.low))
                if (one := self._solve(target, *side, free)) is not None
            ]
            if found and min(one[0] for one in found) < DEAR:
                break
        if not found and not target.is_must:
            return None
        if not found:
            raise DisclosureError(
                f"{target.name}: fewer than {self.said.threshold} persons, or fewer since an "
                "earlier export, and nothing can hide it. Expected a count that could be another. "
                "Join the level with another in study.toml."
            )
        _, to_hide, world = min(found, key=lambda one: one[0])
        for key in to_hide:
            self.hidden[key] = SECONDARY
        _let_fall(self.said, self.hidden)
        return world

    def _solve(self, target: _Target, low: float, high: float, free: np.ndarray):
        """(cost, claims to hide, world) with the target from `low` to `high`; None without one.

        Counts that are not `free` stay as they are.
        """
        said, threshold = self.said, self.said.threshold
        reach = 4 * threshold + abs(target.high - target.low)
        column = {self.names[place]: n for n, place in enumerate(np.flatnonzero(free))}
        touched = [row for row in said.rows if not column.keys().isdisjoint(row.weights)]
        loose = list(
            dict.fromkeys(
                key
                for row in touched
                for key in row.claims
                if key not in self.hidden and said.claims[key].count != 0
            )
        )
        number = {key: len(column) + n for n, key in enumerate(loose)}
        size = len(column) + len(loose)
        rows, columns, values, lows, highs = [], [], [], [], []

        def add(
            weights: Sum, row_low: float, row_high: float, claims: tuple = (), slack=0.0
        ) -> None:
            fixed = sum(
                weight * said.counts[name] for name, weight in weights.items() if name not in column
            )
            for way in (1, -1):
                bound = (row_low if way == 1 else row_high) - fixed
                if np.isinf(bound):
                    continue
                line = len(lows)
                for name, weight in weights.items():
                    if name in column:
                        rows.append(line), columns.append(column[name]), values.append(way * weight)
                for key in claims:
                    rows.append(line), columns.append(number[key]), values.append(slack)
                lows.append(way * bound)
                highs.append(np.inf)

        for row in touched:
            if row.claims and any(key in self.hidden for key in row.claims):
                continue
            claims = tuple(key for key in row.claims if key in number)
            slack = reach * (1 + sum(abs(weight) for weight in row.weights.values()))
            add(row.weights, row.low, row.high, claims, slack)
        for key in self.hidden:
            claim = said.claims[key]
            if claim.count and claim.is_exact and not column.keys().isdisjoint(claim.weights):
                add(claim.weights, 1, np.inf)
        add(target.weights, low, high)
        matrix = coo_array((values, (rows, columns)), shape=(len(lows), size)).tocsr()
        answer = milp(
            np.array([0.0] * len(column) + [said.claims[key].cost for key in loose]),
            constraints=LinearConstraint(matrix, lows, highs),
            integrality=np.ones(size),
            bounds=Bounds(
                np.concatenate([np.maximum(self.truth[free] - reach, 0), np.zeros(len(loose))]),
                np.concatenate([self.truth[free] + reach, np.ones(len(loose))]),
            ),
            options={"mip_rel_gap": 0.05},
        )
        if answer.x is None:
            return None
        world = self.truth.copy()
        world[free] = np.round(answer.x[: len(column)])
        chosen = {key for key in loose if answer.x[number[key]] > 0.5}
        # The solver keeps to a tolerance; what its world does not keep to exactly is hidden too.
        for row in said.rows:
            if chosen.isdisjoint(row.claims) and self.hidden.keys().isdisjoint(row.claims):
                value = self._value(row.weights, world)
                if not row.low - EXACT <= value <= row.high + EXACT:
                    if not row.claims:
                        return None
                    chosen.add(row.claims[0])
        return sum(said.claims[key].cost for key in chosen), sorted(chosen), world
