"""Who the cohort is, and who failed what: the tables of baseline and of criteria on the page."""

from etl.report.html import Content, Html, element
from etl.report.numbers import NONE, count, percent
from etl.report.tables import Column, folded, number, table

ALL, KNOWN, MISSING = "all", "known", "missing"
NUMBERS = {"age_years": "Age, years", "size_mm": "Size, mm"}


def baseline(rows: list[dict], plan, baseline_by: str | None) -> list[Html]:
    """Table 1: rows of marts.baseline as persons and percent of those known, in every group.

    `plan` gives factors and levels their labels and order; `baseline_by` is the factor whose levels
    are the groups beside the whole cohort.
    """
    by_name = {factor.name: factor for factor in plan.factors}
    groups = [ALL]
    if baseline_by:
        groups += [*by_name[baseline_by].levels, MISSING]
    cells = {(row["characteristic"], row["level"], row["group_level"]): row for row in rows}
    sizes = {row["group_level"]: row["n_group"] for row in rows}
    numbers = sorted({row["characteristic"] for row in rows} - by_name.keys())
    body: list[list[Content]] = []
    for name in numbers:
        label = NUMBERS.get(name, name.replace("_", " "))
        body.append(
            [label, "median (quartiles)", *(_quartiles(cells[name, KNOWN, g]) for g in groups)]
        )
        body.append([label, MISSING, *(_count(cells[name, MISSING, g]) for g in groups)])
    for factor in plan.factors:
        for level in (*factor.levels, MISSING):
            shown = [cells[factor.name, level, group] for group in groups]
            missing = [cells[factor.name, MISSING, group] for group in groups]
            body.append(
                [
                    factor.label,
                    level,
                    *(
                        _count(one) if level == MISSING else _share(one, unknown)
                        for one, unknown in zip(shown, missing, strict=True)
                    ),
                ]
            )
    of = f" by {by_name[baseline_by].label.lower()}" if baseline_by else ""
    return [
        table(
            f"Baseline characteristics{of}",
            [
                Column("Characteristic"),
                Column("Level"),
                *(number(f"{group} (n = {count(sizes.get(group, 0))})") for group in groups),
            ],
            body if rows else [],
        ),
        element(
            "p",
            "Persons and percent of those known; missing is counted apart. Quartiles are "
            "interpolated as R's type 7. The same rows: parquet/baseline.parquet.",
            class_="legend",
        ),
    ]


def _share(row: dict, missing: dict) -> str:
    known = row["n_group"] - missing["n_persons"]
    share = percent(row["n_persons"] / known) if known else NONE
    return f"{count(row['n_persons'])} ({share})"


def _count(row: dict) -> str:
    return count(row["n_persons"])


def _quartiles(row: dict) -> str:
    if row["median"] is None:
        return NONE
    return f"{row['median']:.1f} ({row['lower_quartile']:.1f}–{row['upper_quartile']:.1f})"


def intersections(rows: list[dict], attrition: list[dict]) -> Html:
    """Rows of marts.criteria_intersections: which criteria candidates failed together."""
    labels = {step["criterion"]: step["label"] for step in attrition}
    in_order = sorted(rows, key=lambda row: (-row["n_persons"], row["criteria_bits"]))
    return folded(
        "Criteria that were failed together",
        table(
            "Candidates by all the criteria they failed",
            [Column("Failed"), number("Criteria"), number("Persons")],
            [
                [
                    "; ".join(labels.get(name, name) for name in row["failed_criteria"].split())
                    or "none: the cohort",
                    count(row["n_failed"]),
                    count(row["n_persons"]),
                ]
                for row in in_order
            ],
        ),
        element(
            "p",
            "The flow above counts everybody at the first criterion failed. Who failed one "
            "criterion alone would be in the cohort without it.",
            class_="legend",
        ),
    )
