"""What is said of a study in an export, and the tables of it that may leave. Pure.

A study's numbers come as aggregates of one release: no person's row is read here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import hypot, log

from scipy.optimize import brentq
from scipy.special import ndtri

from etl.disclosure.tables import SafeTable, Value, made_safe
from etl.disclosure.worlds import Key, Statements, protect, rounded_to

ALL, EVERYBODY, MISSING, KNOWN = "(all)", "all", "missing", "known"
OUTCOME, DEATH = "outcome", "death first"
# A risk leaves in percent with one decimal: this is half of the last one, as a proportion.
HALF = 0.0005
DECIMALS = 3
DAYS_PER_YEAR = 365.25
NORMAL = float(ndtri(0.975))
NO_EVENTS = 0.05


@dataclass(frozen=True)
class Factor:
    """A factor and its levels; `parts` are (factor, level) of which `high` is the union."""

    name: str
    label: str
    levels: tuple[str, ...]
    reference: str
    high: str | None = None
    parts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Aggregates:
    """The numbers of one release of a study, as they are.

    attrition, baseline: rows of the marts. risks, prevalent: of the document of estimates.
    curve: rows of everybody. outcomes: (name, label), in order.
    """

    study_id: str
    outcomes: tuple[tuple[str, str], ...]
    horizons_days: tuple[int, ...]
    factors: tuple[Factor, ...]
    baseline_by: str | None
    attrition: list[dict]
    baseline: list[dict]
    risks: list[dict]
    prevalent: list[dict]
    curve: list[dict]


@dataclass(frozen=True)
class Protected:
    """The tables that may leave, and what stays inside.

    `hidden`: (claim, why). `counts` and `printed` are what later exports are held against.
    """

    tables: tuple[SafeTable, ...]
    hidden: tuple[tuple[Key, str], ...]
    counts: dict[str, int]
    printed: dict[str, int]

    def table(self, name: str) -> SafeTable:
        return next(table for table in self.tables if table.name == name)


def protect_study(
    numbers: Aggregates,
    threshold: int,
    before: Iterable[Mapping[str, Mapping[str, int]]] = (),
    secondary: bool = True,
) -> Protected:
    """Decide what of a study may leave, and make the tables of it."""
    said = statements(numbers, threshold)
    hidden = protect(said, before, secondary)
    shown = _Shown(said, hidden)
    return Protected(
        tables=(
            _flow(numbers, shown),
            _baseline(numbers, shown),
            _medians(numbers, shown, threshold),
            _risks(numbers, shown, threshold),
            _differences(numbers, shown),
            _curves(numbers, shown),
            _followed(numbers, said, shown, threshold),
            _prevalent(numbers, shown),
            _what_was_hidden(said, hidden),
        ),
        hidden=tuple(sorted(hidden.items())),
        counts=dict(said.counts),
        printed={
            " / ".join(key): claim.count
            for key, claim in said.claims.items()
            if claim.count is not None and claim.is_exact and key not in hidden
        },
    )


# ------------------------------------------------------------------ what could be printed


def statements(numbers: Aggregates, threshold: int) -> Statements:
    """Every count of the study, how they hang together, and every number that could be printed."""
    said = Statements(threshold)
    _say_flow(said, numbers)
    _say_baseline(said, numbers)
    for outcome, _ in numbers.outcomes:
        _say_everybody(said, numbers, outcome)
        for factor in numbers.factors:
            _say_levels(said, numbers, outcome, factor)
    for factor in numbers.factors:
        _say_union(said, numbers, factor)
    return said


def _say_flow(said: Statements, numbers: Aggregates) -> None:
    steps = sorted(numbers.attrition, key=lambda row: row["step"])
    said.count("cohort", steps[-1]["n_out"], "flow")
    said.exact(("cohort",), ["cohort"], cost=1000)
    after = ["cohort"]
    unit = steps[-1]["unit"]
    for row in reversed(steps):
        step = str(row["step"])
        if row["unit"] != unit:
            unit = row["unit"]
            after = [said.count(f"flow/{step}/on", row["n_out"], "flow")]
            said.exact(("flow", step, "out"), after, cost=20)
        left = said.count(f"flow/{step}/left", row["n_excluded"], "flow")
        said.exact(("flow", step, "excluded"), [left], cost=10)
        after = [*after, left]
        said.exact(("flow", step, "in"), after, cost=10)


def _groups(numbers: Aggregates) -> tuple[str, ...]:
    by = {factor.name: factor for factor in numbers.factors}
    return (*by[numbers.baseline_by].levels, MISSING) if numbers.baseline_by else (EVERYBODY,)


def _say_baseline(said: Statements, numbers: Aggregates) -> None:
    """Persons by level of every factor and by the groups of Table 1."""
    n = {
        (r["characteristic"], r["level"], r["group_level"]): r["n_persons"]
        for r in numbers.baseline
    }
    groups = _groups(numbers)
    for factor in numbers.factors:
        cells: dict[tuple[str, str], str] = {}
        is_own = factor.name == numbers.baseline_by
        for level in (*factor.levels, MISSING):
            for group in groups:
                if is_own and level != group:
                    continue
                cells[level, group] = said.count(
                    f"persons/{factor.name}/{level}/{group}",
                    n[factor.name, level, group],
                    factor.name,
                )
            of_level = [cell for (one, _), cell in cells.items() if one == level]
            said.exact(
                ("persons", factor.name, level), of_level, cost=15 if level == MISSING else 30
            )
            said.watch(f"persons/{factor.name}/{level}", of_level)
            if len(groups) > 1 and not is_own:
                for group in groups:
                    key = ("persons by group", factor.name, level, group)
                    said.exact(key, [cells[level, group]], cost=3)
        said.always(dict.fromkeys(cells.values(), 1.0) | {"cohort": -1.0}, 0, 0)
        if numbers.baseline_by and not is_own:
            for group in groups:
                own = f"persons/{numbers.baseline_by}/{group}/{group}"
                if own not in said.counts:
                    said.count(own, n[numbers.baseline_by, group, group], numbers.baseline_by)
                parts = [cell for (_, one), cell in cells.items() if one == group]
                said.always(dict.fromkeys(parts, 1.0) | {own: -1.0}, 0, 0)


def _persons(said: Statements, factor: str, level: str) -> list[str]:
    start = f"persons/{factor}/{level}/"
    return [name for name in said.counts if name.startswith(start)]


def _say_everybody(said: Statements, numbers: Aggregates, outcome: str) -> None:
    """The whole cohort by spans of time: the years of the curve and the horizons."""
    days = _days(numbers)
    of = f"{outcome}/{ALL}/{ALL}"
    rows = sorted(
        (r for r in numbers.curve if r["outcome"] == outcome and r["factor"] == ALL),
        key=lambda row: row["days"],
    )
    prevalent = next(r["n"] for r in numbers.prevalent if r["outcome"] == outcome)
    said.count(f"{of}/prevalent", prevalent)
    said.exact(("prevalent", outcome), [f"{of}/prevalent"], cost=3)
    left = said.counts["cohort"] - prevalent
    for start, end in pairwise([-1, *days]):
        for kind, column in (("e", "n_events"), ("k", "n_competing"), ("c", "n_censored")):
            n = sum(row[column] for row in rows if start < row["days"] <= end)
            said.count(f"{of}/{kind}{end}", n)
            left -= n
    said.count(f"{of}/rest", left)
    said.always(dict.fromkeys(_all_of(said, of), 1.0) | {"cohort": -1.0}, 0, 0)
    _watch_fates(said, of, days[-1])
    for horizon in numbers.horizons_days:
        _say_risk(said, numbers, outcome, horizon, ALL, ALL)
    # Steps of the curve: between two points of one cause lie the threshold of its events, or none
    # at all since the beginning.
    last = days[-1]
    for cause, kind, column in ((OUTCOME, "e", "risk"), (DEATH, "k", "competing_risk")):
        which = "events" if cause == OUTCOME else "competing"
        rests = ((which, outcome, str(last), ALL, ALL),)
        for day in _grid(said, of, kind, numbers.horizons_days, days, said.threshold):
            if cause == OUTCOME and day in numbers.horizons_days:
                continue  # the risk itself
            reached = [row for row in rows if row["days"] <= day]
            risk = reached[-1][column] if reached else 0.0
            said.statistic(
                ("curve", outcome, cause, str(day)),
                40 if day == last else 15,
                _of_risk(
                    round(risk, DECIMALS),
                    _kind(said, of, kind, day),
                    _in_analysis(said, of),
                    _kind(said, of, "c", day),
                ),
                rests,
            )
    for day in days:
        if day not in numbers.horizons_days:
            said.rounded(("followed", outcome, str(day), ALL, ALL), _beyond(said, of, day), 3)


def _days(numbers: Aggregates) -> list[int]:
    """Whole years up to the last horizon, and the horizons, in days."""
    last = max(numbers.horizons_days)
    years = range(1, int(last / DAYS_PER_YEAR) + 1)
    close = {*numbers.horizons_days}
    whole = {round(year * DAYS_PER_YEAR) for year in years}
    return sorted(close | {day for day in whole if all(abs(day - other) > 1 for other in close)})


def _grid(said, of: str, kind: str, horizons, days: list[int], threshold: int) -> list[int]:
    """The days of a curve: each has the threshold of events since the one before it."""
    kept: list[int] = []
    since = 0
    for day in days:
        since += said.counts[f"{of}/{kind}{day}"]
        if day in horizons:
            # A horizon is shown in any case; what lies too close before it is not.
            while since < threshold and kept and kept[-1] not in horizons:
                dropped = kept.pop()
                before = kept[-1] if kept else -1
                since += sum(said.counts[f"{of}/{kind}{d}"] for d in days if before < d <= dropped)
            kept.append(day)
            since = 0
        elif since >= threshold:
            kept.append(day)
            since = 0
    return kept


def _all_of(said: Statements, of: str) -> list[str]:
    return [name for name in said.counts if name.startswith(f"{of}/")]


def _in_analysis(said: Statements, of: str) -> list[str]:
    return [name for name in _all_of(said, of) if name != f"{of}/prevalent"]


def _kind(said: Statements, of: str, kind: str, until: int) -> list[str]:
    """Events (e), competing deaths (k) or censored (c), up to and including a day."""
    start = f"{of}/{kind}"
    return [
        name
        for name in _all_of(said, of)
        if name.startswith(start)
        and name[len(start) :].isdigit()
        and int(name[len(start) :]) <= until
    ]


def _beyond(said: Statements, of: str, day: int) -> list[str]:
    """Who is still followed after a day."""
    until = {name for kind in "ekc" for name in _kind(said, of, kind, day)}
    return [name for name in _in_analysis(said, of) if name not in until]


def _say_levels(said: Statements, numbers: Aggregates, outcome: str, factor: Factor) -> None:
    """The levels of a factor by spans between horizons; who has no level is the rest."""
    horizons = sorted(numbers.horizons_days)
    everybody = f"{outcome}/{ALL}/{ALL}"
    found = {
        (row["level"], row["horizon_days"]): row
        for row in numbers.risks
        if (row["outcome"], row["factor"]) == (outcome, factor.name)
    }
    spent = dict.fromkeys(("prevalent", "rest"), 0)
    for level in factor.levels:
        of = f"{outcome}/{factor.name}/{level}"
        n = sum(said.counts[name] for name in _persons(said, factor.name, level))
        prevalent = n - found[level, horizons[0]]["n"]
        said.count(f"{of}/prevalent", prevalent, factor.name)
        left, before = n - prevalent, {"e": 0, "k": 0, "c": 0}
        for horizon in horizons:
            row = found[level, horizon]
            for kind, column in (("e", "events"), ("k", "competing"), ("c", "censored")):
                here = row[column] - before[kind]
                said.count(f"{of}/{kind}{horizon}", here, factor.name)
                before[kind] = row[column]
                spent[f"{kind}{horizon}"] = spent.get(f"{kind}{horizon}", 0) + here
                left -= here
        said.count(f"{of}/rest", left, factor.name)
        spent["prevalent"] += prevalent
        spent["rest"] += left
    of = f"{outcome}/{factor.name}/{MISSING}"
    spans = list(pairwise([-1, *horizons]))
    together = {
        **{
            f"{kind}{end}": [
                name
                for name in _kind(said, everybody, kind, end)
                if name not in _kind(said, everybody, kind, start)
            ]
            for start, end in spans
            for kind in "ekc"
        },
        "prevalent": [f"{everybody}/prevalent"],
        "rest": [f"{everybody}/rest"],
    }
    for column, of_all in together.items():
        total = sum(said.counts[name] for name in of_all)
        said.count(f"{of}/{column}", total - spent[column], factor.name)
        by_level = [f"{outcome}/{factor.name}/{one}/{column}" for one in (*factor.levels, MISSING)]
        said.always(dict.fromkeys(by_level, 1.0) | dict.fromkeys(of_all, -1.0), 0, 0)
    for level in (*factor.levels, MISSING):
        of = f"{outcome}/{factor.name}/{level}"
        persons = dict.fromkeys(_persons(said, factor.name, level), -1.0)
        said.always(dict.fromkeys(_all_of(said, of), 1.0) | persons, 0, 0)
        _watch_fates(said, of, horizons[-1])
    for one, other in combinations((*factor.levels, MISSING), 2):
        # Two levels together are a level that nobody prints.
        for column in together:
            parts = [f"{outcome}/{factor.name}/{level}/{column}" for level in (one, other)]
            said.watch(f"{outcome}/{factor.name}/{one} or {other}/{column}", parts)
    for level in factor.levels:
        for horizon in horizons:
            _say_risk(said, numbers, outcome, horizon, factor.name, level)


def _watch_fates(said: Statements, of: str, last: int) -> None:
    """Two or more fates of a group together: who had no event, who left the analysis."""
    fates = {kind: _kind(said, of, kind, last) for kind in "ekc"}
    fates |= {name: [f"{of}/{name}"] for name in ("prevalent", "rest")}
    for size in range(2, len(fates)):
        for some in combinations(fates, size):
            parts = [name for fate in some for name in fates[fate]]
            said.watch(f"{of}/{' or '.join(some)}", parts)


def _say_risk(
    said: Statements, numbers: Aggregates, outcome: str, horizon: int, factor: str, level: str
) -> None:
    """One row of the risk table."""
    row = next(
        r
        for r in numbers.risks
        if (r["outcome"], r["horizon_days"], r["factor"], r["level"])
        == (outcome, horizon, factor, level)
    )
    of, key = f"{outcome}/{factor}/{level}", (outcome, str(horizon), factor, level)
    is_all = factor == ALL
    said.exact(("events", *key), _kind(said, of, "e", horizon), cost=200 if is_all else 12)
    said.exact(("competing", *key), _kind(said, of, "k", horizon), cost=60 if is_all else 6)
    said.rounded(("followed", *key), _beyond(said, of, horizon), cost=10 if is_all else 2)
    if row["estimate"] is None:
        return
    persons = ("cohort",) if is_all else ("persons", factor, level)
    said.statistic(
        ("risk", *key),
        300 if is_all else 8,
        [
            *_of_risk(
                round(row["estimate"], DECIMALS),
                _kind(said, of, "e", horizon),
                _in_analysis(said, of),
                _kind(said, of, "c", horizon),
            ),
            *_of_interval(
                round(row["estimate"], DECIMALS),
                _rounded(row["recommended_lower"]),
                _rounded(row["recommended_upper"]),
                _in_analysis(said, of),
                _kind(said, of, "c", horizon),
            ),
        ],
        (("events", *key), persons),
    )


def _rounded(proportion: float | None) -> float | None:
    return None if proportion is None else round(proportion, DECIMALS)


def _of_risk(risk: float, events: list[str], n: list[str], censored: list[str]) -> list:
    """What a printed Aalen–Johansen risk says of counts.

    Who is censored hands the weight on to those who stay, so the risk lies from events / n to
    events / (n − censored).
    """
    return [
        (_sum((risk + HALF, n), (-1.0, events)), 0.0, float("inf")),
        (_sum((risk - HALF, n), (HALF - risk, censored), (-1.0, events)), float("-inf"), 0.0),
    ]


def _of_interval(risk: float, lower, upper, n: list[str], censored: list[str]) -> list:
    """What a printed interval says: it has as many persons as would give it without censoring.

    That number lies from n − censored to n, nearly: half a person is given away for that.
    """
    if lower is None or upper is None:
        return []
    if risk == 0 and lower == 0:
        least = log(NO_EVENTS) / log(1 - min(upper + HALF, 1 - 1e-9))
        most = log(NO_EVENTS) / log(1 - max(upper - HALF, 1e-9))
        return [(_sum((1.0, n)), least, most)]
    width = upper - lower
    sizes = [
        _persons_for(p, w)
        for p in (risk - HALF, risk, risk + HALF)
        for w in (max(width - 2 * HALF, 1e-9), width + 2 * HALF)
        if 0 < p < 1
    ]
    if not sizes:
        return []
    return [
        (_sum((1.0, n)), min(sizes) - 0.5, float("inf")),
        (_sum((1.0, n), (-1.0, censored)), float("-inf"), max(sizes) + 0.5),
    ]


def _persons_for(risk: float, width: float) -> float:
    """The number of persons whose Wilson interval is that wide."""
    z = NORMAL

    def wider(n: float) -> float:
        return (
            2 * z * (risk * (1 - risk) / n + z * z / (4 * n * n)) ** 0.5 / (1 + z * z / n) - width
        )

    low, high = 1e-3, 1e12
    if wider(low) <= 0:
        return low
    return float(brentq(wider, low, high)) if wider(high) < 0 else high


def _sum(*parts: tuple[float, list[str]]) -> dict[str, float]:
    weights: dict[str, float] = {}
    for weight, names in parts:
        for name in names:
            weights[name] = weights.get(name, 0.0) + weight
    return weights


def _say_union(said: Statements, numbers: Aggregates, factor: Factor) -> None:
    """A level that is the union of others has at least each of them, and at most their sum."""
    if not factor.parts:
        return
    columns = {""}
    columns |= {f"{outcome}/": None for outcome, _ in numbers.outcomes}.keys()
    for outcome in columns:
        if outcome:
            of = f"{outcome}{factor.name}/{factor.high}"
            ends = [name.removeprefix(of) for name in _all_of(said, of)]
            sums = [
                ([f"{of}{end}"], [[f"{outcome}{p}/{level}{end}"] for p, level in factor.parts])
                for end in ends
            ]
        else:
            parts = [_persons(said, p, level) for p, level in factor.parts]
            sums = [(_persons(said, factor.name, factor.high), parts)]
        for whole, parts in sums:
            total = _sum((1.0, whole), *((-1.0, part) for part in parts))
            if said.of(total) <= 0:
                said.always(total, float("-inf"), 0)
            for part in parts:
                at_least = _sum((1.0, whole), (-1.0, part))
                if said.of(at_least) >= 0:
                    said.always(at_least, 0, float("inf"))


# ------------------------------------------------------------------ the tables


class _Shown:
    """A claim's number where it may be printed, else None."""

    def __init__(self, said: Statements, hidden: Mapping[Key, str]):
        self.said, self.hidden = said, hidden

    def __contains__(self, key: Key) -> bool:
        return key in self.said.claims and key not in self.hidden

    def __call__(self, *key: str) -> int | None:
        if key not in self:
            return None
        claim = self.said.claims[key]
        return claim.count if claim.is_exact else rounded_to(claim.count, self.said.threshold)


def _flow(numbers: Aggregates, shown: _Shown) -> SafeTable:
    steps = sorted(numbers.attrition, key=lambda row: row["step"])
    rows: list[tuple[Value, ...]] = []
    for row, following in zip(steps, [*steps[1:], None], strict=True):
        step = str(row["step"])
        if following is None:
            out = shown("cohort")
        elif following["unit"] != row["unit"]:
            out = shown("flow", step, "out")
        else:
            out = shown("flow", str(following["step"]), "in")
        rows.append(
            (row["step"], row["label"], row["unit"], shown("flow", step, "in"),
             shown("flow", step, "excluded"), out)
        )  # fmt: skip
    return made_safe("cohort_flow", ("step", "label", "unit", "n_in", "n_excluded", "n_out"), rows)


def _baseline(numbers: Aggregates, shown: _Shown) -> SafeTable:
    rows: list[tuple[Value, ...]] = []
    for factor in numbers.factors:
        for level in (*factor.levels, MISSING):
            rows.append(
                (factor.name, level, EVERYBODY, shown("persons", factor.name, level),
                 _share(shown("persons", factor.name, level), shown("cohort"),
                        shown("persons", factor.name, MISSING), level))
            )  # fmt: skip
            if not numbers.baseline_by or factor.name == numbers.baseline_by:
                continue
            for group in _groups(numbers):
                n = shown("persons by group", factor.name, level, group)
                missing = shown("persons by group", factor.name, MISSING, group)
                of = shown("persons", numbers.baseline_by, group)
                rows.append((factor.name, level, group, n, _share(n, of, missing, level)))
    return made_safe(
        "baseline", ("characteristic", "level", "group", "n_persons", "percent_of_known"), rows
    )


def _share(n: int | None, of: int | None, missing: int | None, level: str) -> float | None:
    """From printed numbers only, so that it says nothing that they do not."""
    if level == MISSING or n is None or of is None or missing is None or of == missing:
        return None
    return round(100 * n / (of - missing), 1)


def _medians(numbers: Aggregates, shown: _Shown, threshold: int) -> SafeTable:
    """Medians and quartiles, whole, where each quarter holds the threshold; never a lowest or
    highest value."""
    rows: list[tuple[Value, ...]] = []
    factors = {factor.name for factor in numbers.factors}
    for row in sorted(numbers.baseline, key=lambda r: (r["characteristic"], r["group_level"])):
        if row["characteristic"] in factors or row["level"] != KNOWN:
            continue
        group = row["group_level"]
        size = (
            shown("cohort")
            if group == EVERYBODY
            else shown("persons", numbers.baseline_by or "", group)
        )
        enough = size is not None and row["n_persons"] >= 4 * threshold
        values = [
            round(row[name]) if enough and row[name] is not None else None
            for name in ("lower_quartile", "median", "upper_quartile")
        ]
        rows.append((row["characteristic"], group, *values))
    return made_safe(
        "medians", ("characteristic", "group", "lower_quartile", "median", "upper_quartile"), rows
    )


def _lines(numbers: Aggregates) -> Iterator[tuple[str, int, str, str, dict]]:
    found = {(r["outcome"], r["horizon_days"], r["factor"], r["level"]): r for r in numbers.risks}
    for outcome, _ in numbers.outcomes:
        for horizon in sorted(numbers.horizons_days):
            yield outcome, horizon, ALL, ALL, found[outcome, horizon, ALL, ALL]
            for factor in numbers.factors:
                for level in factor.levels:
                    row = found[outcome, horizon, factor.name, level]
                    yield outcome, horizon, factor.name, level, row


def _risk_of(row: dict, key: Key, shown: _Shown) -> tuple[float | None, float | None, float | None]:
    """Risk and limits as proportions with the decimals that leave; all None where hidden."""
    if ("risk", *key) not in shown:
        return None, None, None
    names = ("estimate", "recommended_lower", "recommended_upper")
    risk, lower, upper = (_rounded(row[name]) for name in names)
    return risk, lower, upper


def _percent(proportion: float | None) -> float | None:
    return None if proportion is None else round(100 * proportion, DECIMALS - 2) + 0.0


def _risks(numbers: Aggregates, shown: _Shown, threshold: int) -> SafeTable:
    rows: list[tuple[Value, ...]] = []
    for outcome, horizon, factor, level, row in _lines(numbers):
        key = (outcome, str(horizon), factor, level)
        persons = shown("cohort") if factor == ALL else shown("persons", factor, level)
        rows.append(
            (outcome, horizon, factor, level, persons, shown("events", *key),
             shown("competing", *key), shown("followed", *key),
             *map(_percent, _risk_of(row, key, shown)))
        )  # fmt: skip
    return made_safe(
        "risks",
        ("outcome", "horizon_days", "factor", "level", "n_persons", "n_events", "n_competing",
         f"n_followed_beyond_to_nearest_{threshold}", "risk_percent", "lower_percent",
         "upper_percent"),
        rows,
    )  # fmt: skip


def _differences(numbers: Aggregates, shown: _Shown) -> SafeTable:
    """Differences of the printed risks, with MOVER limits from the printed limits."""
    rows: list[tuple[Value, ...]] = []
    lines = {(o, h, f, level): row for o, h, f, level, row in _lines(numbers)}
    for (outcome, horizon, name, level), row in lines.items():
        factor = next((f for f in numbers.factors if f.name == name), None)
        if factor is None or level == factor.reference:
            continue
        reference = lines[outcome, horizon, name, factor.reference]
        group = _risk_of(row, (outcome, str(horizon), name, level), shown)
        against = _risk_of(reference, (outcome, str(horizon), name, factor.reference), shown)
        difference = lower = upper = None
        if None not in group and None not in against:
            difference = group[0] - against[0]
            lower = difference - hypot(group[0] - group[1], against[2] - against[0])
            upper = difference + hypot(group[2] - group[0], against[0] - against[1])
        rows.append(
            (outcome, horizon, name, level, factor.reference,
             *map(_percent, (difference, lower, upper)))
        )  # fmt: skip
    return made_safe(
        "differences",
        ("outcome", "horizon_days", "factor", "level", "reference", "difference_points",
         "lower_points", "upper_points"),
        rows,
    )  # fmt: skip


def _curves(numbers: Aggregates, shown: _Shown) -> SafeTable:
    """Points of the curves of the whole cohort; between two of them nothing is told."""
    rows: list[tuple[Value, ...]] = []
    for outcome, _ in numbers.outcomes:
        of_outcome = sorted(
            (r for r in numbers.curve if r["outcome"] == outcome and r["factor"] == ALL),
            key=lambda row: row["days"],
        )
        for cause, column in ((OUTCOME, "risk"), (DEATH, "competing_risk")):
            for day in _days(numbers):
                key = ("curve", outcome, cause, str(day))
                if cause == OUTCOME and day in numbers.horizons_days:
                    key = ("risk", outcome, str(day), ALL, ALL)
                if key not in shown:
                    continue
                reached = [row for row in of_outcome if row["days"] <= day]
                risk = _rounded(reached[-1][column]) if reached else 0.0
                rows.append((outcome, cause, day, _percent(risk)))
    return made_safe("curves", ("outcome", "cause", "day", "risk_percent"), rows)


def _followed(numbers: Aggregates, said, shown: _Shown, threshold: int) -> SafeTable:
    rows: list[tuple[Value, ...]] = [
        (outcome, day, shown("followed", outcome, str(day), ALL, ALL))
        for outcome, _ in numbers.outcomes
        for day in _days(numbers)
    ]
    return made_safe(
        "followed", ("outcome", "day", f"n_followed_beyond_to_nearest_{threshold}"), rows
    )


def _prevalent(numbers: Aggregates, shown: _Shown) -> SafeTable:
    rows: list[tuple[Value, ...]] = [
        (name, shown("prevalent", name)) for name, _ in numbers.outcomes
    ]
    return made_safe("prevalent", ("outcome", "n_prevalent"), rows)


def _what_was_hidden(said: Statements, hidden: Mapping[Key, str]) -> SafeTable:
    """Per kind of number how many there are and how many are hidden. Not why: a reason tells
    whether a hidden count is small, and that is for those inside."""
    kinds = dict.fromkeys(key[0] for key in said.claims)
    rows: list[tuple[Value, ...]] = [
        (
            kind,
            sum(key[0] == kind for key in said.claims),
            sum(key[0] == kind for key in hidden),
        )
        for kind in kinds
    ]
    return made_safe("hidden", ("kind", "numbers", "hidden"), rows)
