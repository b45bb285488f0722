"""An attacker who has all exported tables of a study, two exports in a row, and a solver.

Reads the tables as anybody would who knows the study's definition and what the columns mean; knows
nothing of how disclosure control decides. What is known of the unknown counts is written down as
linear statements: sums over levels, groups, steps, outcomes and time, rounding, and what a printed
risk with its interval gives away. Then the least and the greatest value of each unknown is asked
for, in whole numbers.
"""

from dataclasses import dataclass, field
from math import inf, log

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

ALL, MISSING = "(all)", "missing"
MOST = 5000
HALF = 0.0005


@dataclass
class Known:
    """Unknown whole numbers and what is known of them."""

    least: dict = field(default_factory=dict)
    lines: list = field(default_factory=list)
    seen: dict = field(default_factory=dict)  # the least and greatest found so far

    def unknown(self, *name) -> tuple:
        self.least.setdefault(name, 0)
        return name

    def told(self, names, low: float, high: float) -> None:
        """Low ≤ sum ≤ high; a name may be given with a weight."""
        weights: dict = {}
        for one in names:
            name, weight = one if isinstance(one, tuple) and isinstance(one[0], tuple) else (one, 1)
            weights[name] = weights.get(name, 0) + weight
        self.lines.append((weights, low, high))

    def cell(self, names, value: int | None) -> None:
        """A printed count, or an empty cell: at least one, since noughts are shown."""
        self.told(names, *((1, inf) if value is None else (value, value)))

    def range_seen(self, name) -> tuple[int, int]:
        """Values that the unknown may have, as far as other questions have shown."""
        if not self.seen:
            self.limits(name)
        return self.seen[name]

    def limits(self, name) -> tuple[int, int]:
        """The least and the greatest value that the unknown may have."""
        ends = []
        order = {one: number for number, one in enumerate(self.least)}
        rows, columns, values, low, high = [], [], [], [], []
        for number, (weights, least, most) in enumerate(self.lines):
            for one, weight in weights.items():
                rows.append(number)
                columns.append(order[one])
                values.append(weight)
            low.append(least - 1e-6)
            high.append(most + 1e-6)
        matrix = coo_array((values, (rows, columns)), shape=(len(low), len(order))).tocsr()
        for way in (1, -1):
            wanted = np.zeros(len(order))
            wanted[order[name]] = way
            answer = milp(
                wanted,
                constraints=LinearConstraint(matrix, low, high),
                integrality=np.ones(len(order)),
                bounds=Bounds(list(self.least.values()), MOST),
            )
            assert answer.x is not None, f"nothing is as printed: {answer.message}"
            ends.append(round(answer.x[order[name]]))
            for one, number in order.items():
                value = round(answer.x[number])
                low_seen, high_seen = self.seen.get(one, (value, value))
                self.seen[one] = min(low_seen, value), max(high_seen, value)
        return ends[0], ends[1]


def learn(known: Known, time: int, tables: dict, factors, by: str | None, threshold: int) -> None:
    """Everything that one export says. `tables`: name → rows as dicts."""
    levels = {factor.name: (*factor.levels, MISSING) for factor in factors}
    cohort = known.unknown(time, "cohort")
    _flow(known, time, tables["cohort_flow"], cohort)
    persons = {}
    groups = levels[by] if by else ("all",)
    for factor, own in levels.items():
        for level in own:
            for group in groups:
                if factor != by or level == group:
                    key = factor, level, group
                    persons[key] = known.unknown(time, "persons", *key)
    for factor in levels:
        of = [persons[key] for key in persons if key[0] == factor]
        known.told([*of, (cohort, -1)], 0, 0)
        if by and factor != by:
            for group in groups:
                of = [persons[key] for key in persons if (key[0], key[2]) == (factor, group)]
                known.told([*of, (persons[by, group, group], -1)], 0, 0)
    for row in tables["baseline"]:
        of = [
            one
            for key, one in persons.items()
            if key[:2] == (row["characteristic"], row["level"]) and row["group"] in ("all", key[2])
        ]
        known.cell(of, row["n_persons"])
    outcomes = dict.fromkeys(row["outcome"] for row in tables["risks"])
    for outcome in outcomes:
        _outcome(known, time, tables, outcome, levels, persons, cohort, threshold)


def _flow(known: Known, time: int, rows: list[dict], cohort) -> None:
    rows = sorted(rows, key=lambda row: row["step"])
    after = [cohort]
    known.cell(after, rows[-1]["n_out"])
    unit = rows[-1].get("unit")
    for row in reversed(rows):
        if row.get("unit") != unit:
            # Requisitions and persons are counted apart.
            unit, after = row["unit"], [known.unknown(time, "on", row["step"])]
        known.cell(after, row["n_out"])
        left = known.unknown(time, "left", row["step"])
        known.cell([left], row["n_excluded"])
        after = [*after, left]
        known.cell(after, row["n_in"])


def _outcome(known, time, tables, outcome, levels, persons, cohort, threshold) -> None:
    risks = [row for row in tables["risks"] if row["outcome"] == outcome]
    (horizon,) = {row["horizon_days"] for row in risks}  # the attack knows studies with one
    days = sorted(row["day"] for row in tables["followed"] if row["outcome"] == outcome)
    rounded = next(name for name in risks[0] if name.startswith("n_followed"))

    def column(factor: str, level: str, kind: str, day: int = 0):
        return known.unknown(time, outcome, factor, level, kind, day)

    everybody = {
        kind: [column(ALL, ALL, kind, day) for day in days] for kind in ("events", "deaths", "lost")
    }
    prevalent, rest = column(ALL, ALL, "prevalent"), column(ALL, ALL, "rest")
    known.told(
        [*[one for of in everybody.values() for one in of], prevalent, rest, (cohort, -1)], 0, 0
    )
    printed = {row["outcome"]: row["n_prevalent"] for row in tables["prevalent"]}
    known.cell([prevalent], printed[outcome])
    kinds = ("events", "deaths", "lost", "prevalent", "rest")
    of_all = {**everybody, "prevalent": [prevalent], "rest": [rest]}
    cells = {(ALL, ALL): of_all}
    for factor, own in levels.items():
        for level in own:
            cells[factor, level] = {kind: [column(factor, level, kind)] for kind in kinds}
            of = [one for key, one in persons.items() if key[:2] == (factor, level)]
            known.told(
                [
                    *[one for of in cells[factor, level].values() for one in of],
                    *((one, -1) for one in of),
                ],
                0,
                0,
            )
        for kind in kinds:
            of = [one for level in own for one in cells[factor, level][kind]]
            known.told([*of, *((one, -1) for one in of_all[kind])], 0, 0)
    for row in risks:
        of = cells[row["factor"], row["level"]]
        known.cell(of["events"], row["n_events"])
        known.cell(of["deaths"], row["n_competing"])
        _near(known, of["rest"], row[rounded], threshold)
        analysed = [one for kind in kinds if kind != "prevalent" for one in of[kind]]
        if row["risk_percent"] is not None:
            _risk(known, row["risk_percent"] / 100, of["events"], analysed, of["lost"])
            if row["risk_percent"] == 0 and row["lower_percent"] == 0:
                # Without events the upper limit is 1 − 0.05^(1/n).
                upper = row["upper_percent"] / 100
                least = log(0.05) / log(1 - min(upper + HALF, 1 - 1e-9))
                most = log(0.05) / log(1 - max(upper - HALF, 1e-9))
                known.told(analysed, least, most)
    for row in tables["followed"]:
        if row["outcome"] == outcome and row["day"] != horizon:
            later = [
                one
                for kind in everybody
                for day, one in zip(days, everybody[kind], strict=True)
                if day > row["day"]
            ]
            _near(known, [*later, rest], row[rounded], threshold)
    analysed = [*[one for of in everybody.values() for one in of], rest]
    for row in tables["curves"]:
        if row["outcome"] == outcome:
            kind = "events" if row["cause"] == "outcome" else "deaths"
            until = [day <= row["day"] for day in days]
            happened = [one for one, so in zip(everybody[kind], until, strict=True) if so]
            lost = [one for one, so in zip(everybody["lost"], until, strict=True) if so]
            _risk(known, row["risk_percent"] / 100, happened, analysed, lost)


def _near(known: Known, names, printed: int | None, threshold: int) -> None:
    if printed is not None:
        half = threshold // 2
        low = max(printed - half, threshold) if printed else 0
        known.told(names, low, printed - half + threshold - 1 if printed else 0)


def _risk(known: Known, risk: float, events, n, lost) -> None:
    """Events over n at the least; over those who were not lost at the most."""
    known.told([*((one, risk + HALF) for one in n), *((one, -1) for one in events)], 0, inf)
    known.told(
        [*((one, risk - HALF) for one in n), *((one, HALF - risk) for one in lost),
         *((one, -1) for one in events)],
        -inf, 0,
    )  # fmt: skip


def _unions(known: Known, time: int, true: dict) -> dict:
    """Two levels of a factor taken together, and two fates of one level: nobody prints these, and
    small ones are not to be known either. Returns their true counts."""
    found = {}
    cells = [name for name in true if name[0] == "relapse" and (time, *name) in known.least]
    for one in cells:
        for other in cells:
            same_factor, same_level = one[1] == other[1], one[:3] == other[:3]
            of_levels = same_factor and one[2] < other[2] and one[3:] == other[3:]
            of_fates = same_level and one[1] != ALL and one[3] < other[3]
            if of_levels or of_fates:
                both = ("both", one, other)
                whole = known.unknown(time, *both)
                known.told([(whole, -1), (time, *one), (time, *other)], 0, 0)
                found[both] = true[one] + true[other]
    return found


def is_known(least: int, most: int, threshold: int) -> bool:
    """Whether a number is known, or known to be small though not none; either sign."""
    return least == most or 0 < least <= most < threshold or -threshold < least <= most < 0


def given_away(known: Known, truth: dict, threshold: int) -> list[str]:
    """The small counts that the attacker knows, or knows to be small though not none."""
    found = []
    for name, value in truth.items():
        # A range that is seen to be wide enough need not be followed to its ends.
        if (
            0 < value < threshold
            and name in known.least
            and is_known(*known.range_seen(name), threshold)
            and is_known(*(limits := known.limits(name)), threshold)
        ):
            found.append(f"{name}: {limits[0]} to {limits[1]}, truly {value}")
    return found


def told_apart(first: Known, second: Known, truths: tuple[dict, dict], threshold: int) -> list[str]:
    """Counts of which the attacker knows that a few persons came or went between two exports.

    Nothing says of two exports that a person is in both, so what is known of a difference is what
    is known of the two counts.
    """
    found = []
    for name, before in truths[0].items():
        after = truths[1].get(name)
        if after is None or not 0 < abs(after - before) < threshold:
            continue
        if (1, *name) not in first.least or (2, *name) not in second.least:
            continue
        for ask in (Known.range_seen, Known.limits):
            least_before, most_before = ask(first, (1, *name))
            least, most = ask(second, (2, *name))
            limits = least - most_before, most - least_before
            if not is_known(*limits, threshold):
                break
        else:
            found.append(
                f"{name}: {before} to {after}, known to be {limits[0]} to {limits[1]} more"
            )
    return found


def attack(done, persons, time: int, by: str | None, threshold: int):
    """(what is known, the truth, what is given away) of one export."""
    from tests.drawn_studies import FACTORS, truth

    tables = {table.name: table.dicts() for table in done.tables}
    known = Known()
    learn(known, time, tables, FACTORS, by, threshold)
    days = sorted(row["day"] for row in tables["followed"])
    true = truth(persons, days, by)
    true |= _unions(known, time, true)
    named = {(time, *name): value for name, value in true.items()}
    return known, true, given_away(known, named, threshold)
