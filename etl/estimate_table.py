"""Competing risks of anyone's table: a CSV or Parquet file in, risks, contrasts and tests out.

DuckDB counts persons per (group, time, event), and entry and weight where there are any; the
numbers come from `competing_risks`. Nothing of the table is kept.
"""

import csv
import json
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import duckdb
import numpy as np

from etl.competing_risks import (
    CENSORED,
    GREENWOOD,
    INFINITESIMAL_JACKKNIFE,
    KINDS,
    LEVEL,
    VARIANCES,
    Counts,
    Risk,
    count_events,
    gray_test,
    risk_at,
    risk_difference,
    risk_ratio,
)
from etl.errors import EstimateError

ALL = "(all)"
FORMATS = ("table", "csv", "json")
PARQUET_MAGIC = b"PAR1"
# What R and DuckDB write where there is no value.
MISSING = ("", "NA")


@dataclass(frozen=True)
class Request:
    """What is asked of a table: its columns, and what to make of them."""

    file: Path
    time: str
    event: str
    horizons: tuple[float, ...]
    entry: str | None = None
    group: str | None = None
    weight: str | None = None
    causes: tuple[int, ...] = ()  # none: every cause of the table
    variance: str | None = None  # none: Greenwood's, or the jackknife with weights
    interval: str = "plain"
    level: float = LEVEL
    reference: str | None = None  # none: the first group


@dataclass(frozen=True)
class Answer:
    """The document, in full precision; what has no value is None and has a note."""

    request: Request
    variance: str
    risks: list[dict] = field(default_factory=list)
    contrasts: list[dict] = field(default_factory=list)
    gray: list[dict] = field(default_factory=list)

    def document(self) -> dict:
        return {
            "risks": self.risks,
            "contrasts": self.contrasts,
            "gray_test": self.gray,
            "methods": {
                "estimator": "Aalen–Johansen, ties exact",
                "variance": self.variance,
                "variance_name": VARIANCES[self.variance],
                "interval": self.request.interval,
                "recommended_interval": "Wilson on the effective sample size F(1−F)/Var; without "
                "events 0 to 1 − (1 − level)^(1/n)",
                "level": self.request.level,
            },
        }


def answer(request: Request) -> Answer:
    """Estimate what is asked.

    Raises:
        EstimateError: if the file is no table, has not the columns, or holds what cannot be
            counted; if the request contradicts itself. One line, without a value of any person.
    """
    _hold_request(request)
    groups = _counted(request)
    variance = request.variance or (INFINITESIMAL_JACKKNIFE if request.weight else GREENWOOD)
    if variance == GREENWOOD and not all(c.has_whole_weights for c in groups.values()):
        raise EstimateError(
            f"{request.file.name}: weights in '{request.weight}' are not whole numbers, and "
            "Greenwood's variance takes them for numbers of persons. Expected --variance ij. "
            "Leave out --variance, which is ij with weights."
        )
    reference = request.reference if request.reference is not None else next(iter(groups))
    if reference not in groups:
        raise EstimateError(
            f"{request.file.name}: no group '{reference}'. Expected --reference to be one of "
            f"{_listed(groups)}. Correct --reference."
        )
    causes = request.causes or tuple(
        sorted({int(cause) for counts in groups.values() for cause in counts.causes})
    )
    made = Answer(request, variance)
    # A table in which everyone is censored still has an answer, for the first cause.
    for cause in causes or (1,):
        for horizon in request.horizons:
            risks = {
                name: risk_at(counts, cause, horizon, request.level, variance)
                for name, counts in groups.items()
            }
            for name, risk in risks.items():
                made.risks.append(_risk_row(request, name, cause, risk))
                if name != reference:
                    made.contrasts.append(
                        _contrast_row(request, name, reference, cause, risk, risks[reference])
                    )
        if len(groups) > 1:
            made.gray.append(_gray_row(list(groups.values()), cause))
    # By group, then cause, then horizon, as a reader looks them up.
    order = list(groups)
    for rows in (made.risks, made.contrasts):
        rows.sort(key=lambda row: order.index(row["group"]))
    return made


def _hold_request(request: Request) -> None:
    where = request.file.name
    if not request.file.is_file():
        raise EstimateError(
            f"{where}: no such file. Expected a CSV or Parquet file. Correct its path."
        )
    if not 0 < request.level < 1:
        raise EstimateError(
            f"--level {request.level:g}: not between 0 and 1. Expected for example 0.95. "
            "Correct --level."
        )
    for horizon in request.horizons:
        if not np.isfinite(horizon) or horizon < 0:
            raise EstimateError(
                f"--horizon {horizon:g}: negative or not finite. Expected a time in the unit of "
                f"'{request.time}'. Correct --horizon."
            )
    for cause in request.causes:
        if cause <= CENSORED:
            raise EstimateError(
                f"--cause {cause}: {CENSORED} is censoring and negative codes do not exist. "
                f"Expected an event code of '{request.event}'. Correct --cause."
            )
    if request.reference is not None and request.group is None:
        raise EstimateError(
            "--reference without --group: nothing is compared. Expected both or neither. "
            "Add --group."
        )


# ------------------------------------------------------------------ from the file


def _counted(request: Request) -> dict[str, Counts]:
    """Counts of each group, in sorted order."""
    with duckdb.connect() as con:
        con.execute("set preserve_insertion_order = false")
        con.execute("set enable_progress_bar = false")
        source = _source(request)
        columns = _columns(con, request, source)
        chosen = {
            "time": request.time, "event": request.event, "entry": request.entry,
            "weight": request.weight, "group": request.group,
        }  # fmt: skip
        for option, column in chosen.items():
            if column is not None and column not in columns:
                raise EstimateError(
                    f"{request.file.name}: no column '{column}' for --{option}. Expected one of "
                    f"{_listed(columns)}. Correct --{option}."
                )
        numbers = {o: c for o, c in chosen.items() if c is not None and o != "group"}
        parts = [f"try_cast({_quoted(c)} as double) as {o}_value" for o, c in numbers.items()]
        if request.group:
            parts.append(f"cast({_quoted(request.group)} as varchar) as group_value")
        try:
            found = con.execute(
                f"select {', '.join(parts)}, count(*) as persons from {source} "
                "group by all order by all"
            ).fetchnumpy()
        except duckdb.Error:
            raise _not_a_table(request) from None
    found = {name: np.ma.asarray(column) for name, column in found.items()}
    if not found["persons"].size:
        raise EstimateError(
            f"{request.file.name}: no rows. Expected one row per person. Give a table with rows."
        )
    _hold_values(request, chosen, found)
    values = {name: np.asarray(column.data) for name, column in found.items()}
    names = values.get("group_value", np.full(values["persons"].shape, ALL, dtype=object))
    # Sorted by what they are: numbers as numbers, text as text.
    groups = {}
    distinct, position = np.unique(names.astype(str), return_inverse=True)
    for index in sorted(range(distinct.size), key=lambda i: _sorting(distinct, i)):
        of_group = position == index
        try:
            groups[str(distinct[index])] = count_events(
                *(values[c][of_group] for c in ("time_value", "event_value", "persons")),
                entries=values["entry_value"][of_group] if request.entry else None,
                weights=values["weight_value"][of_group] if request.weight else None,
            )
        except ValueError as error:
            raise EstimateError(
                f"{request.file.name}: {str(error)[0].lower()}{str(error)[1:-1]}. Expected times "
                "from 0, each entry before its time. Correct the table."
            ) from None
    if not any(counts.n for counts in groups.values()):
        raise EstimateError(
            f"{request.file.name}: every weight is 0. Expected some above. Correct "
            f"'{request.weight}'."
        )
    return groups


def _sorting(distinct: np.ndarray, index: int) -> tuple:
    try:
        return (0, [float(value) for value in distinct][index])
    except ValueError:
        return (1, distinct[index])


def _source(request: Request) -> str:
    with request.file.open("rb") as file:
        is_parquet = file.read(4) == PARQUET_MAGIC
    # Written into the query: for a parameter DuckDB would import pandas, which takes a second.
    file = "'" + str(request.file).replace("'", "''") + "'"
    # As text first: what is not a number is then told as such, wherever in the file it stands.
    return (
        f"read_parquet({file})"
        if is_parquet
        else f"read_csv({file}, header = true, all_varchar = true, null_padding = false)"
    )


def _columns(con, request: Request, source: str) -> list[str]:
    try:
        return [row[0] for row in con.execute(f"describe select * from {source}").fetchall()]
    except duckdb.Error:
        raise _not_a_table(request) from None


def _not_a_table(request: Request) -> EstimateError:
    return EstimateError(
        f"{request.file.name}: cannot be read as a table. Expected CSV with a header and as many "
        "values in every row, or Parquet. Give such a file."
    )


def _hold_values(request: Request, chosen: dict, found: dict) -> None:
    """Refuse what is missing, no number, negative or not whole; no value is shown."""

    def refuse(option: str, where: np.ndarray, what: str, expected: str) -> None:
        rows = int(found["persons"][where].sum())
        if rows:
            raise EstimateError(
                f"{request.file.name}: {what} in column '{chosen[option]}' in {rows:,} "
                f"{'row' if rows == 1 else 'rows'}. Expected {expected}. Correct the table."
            )

    for option, column in chosen.items():
        if column is None:
            continue
        values = found[f"{option}_value"]
        missing = np.ma.getmaskarray(values).copy()
        if option == "group":
            missing |= np.isin(values.filled("").astype(str), MISSING)
            refuse(option, missing, "a missing value", "a group in each row")
            continue
        refuse(option, missing, "a missing value, or one that is no number", "a number in each row")
        numbers = np.asarray(values.data)
        refuse(option, ~np.isfinite(numbers), "a missing or infinite value", "a number in each row")
        refuse(option, numbers < 0, "a negative number", "numbers from 0")
        if option == "event":
            whole = "whole event codes, 0 for censored"
            refuse(option, numbers != np.floor(numbers), "a code that is not whole", whole)
    if request.entry:
        time, entry = found["time_value"], found["entry_value"]
        late = np.asarray((entry > time) | ((entry == time) & (time > 0)))
        refuse("entry", late, "an entry at or after the end of follow-up", "each entry before it")


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _listed(names) -> str:
    names = [str(name) for name in names]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


# ------------------------------------------------------------------ rows


def _plain_number(value: float) -> int | float:
    return int(value) if float(value).is_integer() else float(value)


def _risk_row(request: Request, group: str, cause: int, risk: Risk) -> dict:
    lower, upper = risk.limits(request.interval, request.level) or (None, None)
    recommended_lower, recommended_upper = risk.recommended or (None, None)
    return {
        "group": group,
        "cause": cause,
        "horizon": _plain_number(risk.horizon),
        "at_risk": risk.at_risk,
        "events": risk.events,
        "competing": risk.competing,
        "censored": risk.censored,
        "estimate": risk.estimate,
        "std_error": risk.std_error,
        "lower": lower,
        "upper": upper,
        "recommended_lower": recommended_lower,
        "recommended_upper": recommended_upper,
        "note": _risk_note(request, risk, lower is None),
    }


def _risk_note(request: Request, risk: Risk, has_no_limits: bool) -> str | None:
    if not risk.n:
        return "nobody in this group"
    words = []
    if not risk.events:
        words.append("no events")
    if not risk.competing:
        words.append("no competing event: equal to 1 − Kaplan–Meier")
    if has_no_limits:
        words.append(
            f"the {request.interval} interval is not defined at a risk of {risk.estimate:g}; "
            "see the recommended one"
        )
    if risk.carried_from is not None:
        words.append(f"carried forward from {risk.carried_from:g}, the last follow-up")
    return "; ".join(words) or None


def _contrast_row(
    request: Request, group: str, reference_name: str, cause: int, risk: Risk, reference: Risk
) -> dict:
    difference = risk_difference(risk, reference, request.level)
    ratio = risk_ratio(risk, reference, request.level)
    lower, upper = difference.wald or (None, None)
    mover_lower, mover_upper = difference.mover or (None, None)
    ratio_lower, ratio_upper = ratio.wald or (None, None)
    words = []
    if difference.estimate is None:
        words.append("nobody in one of the groups")
    else:
        if difference.p_value is None:
            words.append("no p value: the standard error is 0")
        if ratio.estimate is None:
            words.append("no ratio: the reference has a risk of 0")
        elif ratio.wald is None:
            words.append(
                "no interval of the ratio: its standard error is 0"
                if ratio.estimate
                else "no interval of the ratio: it is 0"
            )
        if risk.carried_from is not None or reference.carried_from is not None:
            words.append("carried forward from the last follow-up")
    return {
        "group": group,
        "reference": reference_name,
        "cause": cause,
        "horizon": _plain_number(risk.horizon),
        "risk_difference": difference.estimate,
        "std_error": difference.std_error,
        "lower": lower,
        "upper": upper,
        "p_value": difference.p_value,
        "mover_lower": mover_lower,
        "mover_upper": mover_upper,
        "risk_ratio": ratio.estimate,
        "ratio_lower": ratio_lower,
        "ratio_upper": ratio_upper,
        "note": "; ".join(words) or None,
    }


def _gray_row(groups: list[Counts], cause: int) -> dict:
    try:
        test = gray_test(groups, cause)
        values = (test.statistic, test.degrees_of_freedom, test.p_value, test.note)
    except ValueError:
        values = (None, None, None, "not defined with delayed entry or weights")
    names = ("statistic", "degrees_of_freedom", "p_value", "note")
    return {"cause": cause} | dict(zip(names, values, strict=True))


# ------------------------------------------------------------------ as text


def rendered(made: Answer, form: str) -> str:
    """The answer as one of `FORMATS`; CSV is long, one row per number."""
    if form == "json":
        return json.dumps(made.document(), ensure_ascii=False, allow_nan=False, indent=1)
    return _long(made) if form == "csv" else _table(made)


KEYS = ("group", "reference", "cause", "horizon")


def _long(made: Answer) -> str:
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["table", *KEYS, "statistic", "value", "note"])
    tables = {"risk": made.risks, "contrast": made.contrasts, "gray_test": made.gray}
    for table, rows in tables.items():
        for row in rows:
            for name, value in row.items():
                if name not in (*KEYS, "note"):
                    keys = [row.get(key, "") for key in KEYS]
                    writer.writerow([table, *keys, name, value, row["note"] or ""])
    return out.getvalue().rstrip("\n")


def _table(made: Answer) -> str:
    level = f"{100 * made.request.level:g} %"
    blocks = [
        f"Risks in percent, {level} intervals; variance: {VARIANCES[made.variance]}.\n"
        + _columns_of(
            ["group", "cause", "by", "at risk", "events", "competing", "censored", "risk", "SE",
             "recommended", made.request.interval, "note"],
            [
                [r["group"], r["cause"], f"{r['horizon']:g}", _n(r["at_risk"]), _n(r["events"]),
                 _n(r["competing"]), _n(r["censored"]), _percent(r["estimate"]),
                 _percent(r["std_error"]), _both(r["recommended_lower"], r["recommended_upper"]),
                 _both(r["lower"], r["upper"]), r["note"] or ""]
                for r in made.risks
            ],
        )
    ]  # fmt: skip
    if made.contrasts:
        blocks.append(
            "Differences in percentage points, and ratios.\n"
            + _columns_of(
                ["group", "against", "cause", "by", "RD", "MOVER", "Wald", "p", "RR", "Wald",
                 "note"],
                [
                    [r["group"], r["reference"], r["cause"], f"{r['horizon']:g}",
                     _percent(r["risk_difference"]), _both(r["mover_lower"], r["mover_upper"]),
                     _both(r["lower"], r["upper"]), _p(r["p_value"]), _ratio(r["risk_ratio"]),
                     f"{_ratio(r['ratio_lower'])} to {_ratio(r['ratio_upper'])}", r["note"] or ""]
                    for r in made.contrasts
                ],
            )
        )  # fmt: skip
    if made.gray:
        blocks.append(
            "Gray's test.\n"
            + _columns_of(
                ["cause", "statistic", "df", "p", "note"],
                [
                    [r["cause"], _ratio(r["statistic"]),
                     "–" if r["degrees_of_freedom"] is None else r["degrees_of_freedom"],
                     _p(r["p_value"]), r["note"] or ""]
                    for r in made.gray
                ],
            )
        )  # fmt: skip
    return "\n\n".join(blocks)


def _columns_of(heads: list[str], rows: list[list]) -> str:
    """Text to the left, numbers to the right, the note last."""
    cells = [heads, *[[str(value) for value in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    is_text = [head in ("group", "against", "note") for head in heads]
    return "\n".join(
        "  ".join(
            value.ljust(width) if text else value.rjust(width)
            for value, width, text in zip(row, widths, is_text, strict=True)
        ).rstrip()
        for row in cells
    )


def _n(n: float) -> str:
    return f"{n:,}" if isinstance(n, int) else f"{n:,.1f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value + 0.0:.2f}"


def _both(lower: float | None, upper: float | None) -> str:
    return "–" if lower is None else f"{_percent(lower)} to {_percent(upper)}"


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _p(value: float | None) -> str:
    return "–" if value is None else "<0.0001" if value < 1e-4 else f"{value:.4f}"


__all__ = ["FORMATS", "KINDS", "VARIANCES", "Answer", "Request", "answer", "rendered"]
