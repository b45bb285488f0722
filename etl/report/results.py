"""The results on the page: risks and differences, the rule, who was left out, how to read them."""

from etl.report.html import Content, Html, element
from etl.report.numbers import (
    CARRIED_MARK,
    CARRIED_WORDS,
    FEW_EVENTS,
    FEW_MARK,
    FEW_WORDS,
    NONE,
    count,
    level_of,
    limits,
    marks,
    p_value,
    percent,
    ratio,
    span,
    span_limits,
)
from etl.report.tables import Column, number, scrolling, table

ALL = "(all)"
VERDICTS = {True: "high-risk", False: "not high-risk", None: "no answer"}


def results(document: dict, plan) -> list[Html]:
    """Everything between the title and the figures."""
    return [
        element("p", _cohort_sentence(document), class_="lead"),
        *_high_risk_sentences(document, plan),
        element(
            "p",
            f"Every {level_of(document)} % interval stands twice. ",
            element("b", "Recommended"),
            " is the one to read: Wilson type on the effective sample size for risks, MOVER for "
            "risk differences (RD). ",
            element("b", "As published"),
            " is the plain Wald interval, for comparison with the literature; with few events it "
            "covers far less than it says. Percent, and percentage points for differences. "
            "At risk: still followed just before the last day.",
        ),
        *(
            _risk_table(document, plan, outcome, horizon)
            for outcome in plan.outcomes
            for horizon in plan.horizons_days
        ),
        *([_rule_table(document, plan)] if document["rule"] else []),
        _difference_table(document, plan),
        _time_lost_table(document, plan),
        _follow_up_tables(document, plan),
        element("div", _missing(document, plan), _prevalent(document, plan), class_="pair"),
    ]


def _cohort_sentence(document: dict) -> str:
    words = [f"{count(document['cohort_size'])} persons"]
    if document.get("median_age") is not None:
        words.append(f"median age {document['median_age']:g} years")
    if document.get("share_male") is not None:
        words.append(f"{percent(document['share_male'])} % male")
    return ", ".join(words) + "."


def _high_risk_sentences(document: dict, plan) -> list[Html]:
    """The verdicts in words, by outcome, at the longest horizon."""
    labels = {factor.name: factor.label for factor in plan.factors}
    horizon = max(plan.horizons_days)
    sentences = []
    for outcome in plan.outcomes:
        rows = [
            row
            for row in document["rule"]
            if (row["outcome"], row["horizon_days"]) == (outcome.name, horizon)
        ]
        high = [f"{labels[row['factor']]}: {row['level']}" for row in rows if row["high_risk"]]
        if rows:
            sentences.append(
                element(
                    "p",
                    element("b", outcome.label, ": "),
                    f"high-risk by the rule: {'; '.join(high)}."
                    if high
                    else "no factor is high-risk by the rule.",
                )
            )
    return sentences


# ------------------------------------------------------------------ risks


def _here(document: dict, part: str, outcome, horizon: int) -> dict[tuple[str, str], dict]:
    return {
        (row["factor"], row["level"]): row
        for row in document[part]
        if (row["outcome"], row["horizon_days"]) == (outcome.name, horizon)
    }


def _risk_table(document: dict, plan, outcome, horizon: int) -> Html:
    risks = _here(document, "risks", outcome, horizon)
    contrasts = _here(document, "contrasts", outcome, horizon)
    missing = {row["factor"]: row["n"] for row in document["missing"]}
    heads = (
        Column("Group"), number("Persons"), number("Events"), number("Death first"),
        number("Censored"), number("At risk"), number("Risk, %"),
        number("Recommended"), number("As published"), number("RD, points"),
        number("Recommended"), number("As published"), Column("Note"),
    )  # fmt: skip
    head = element(
        "thead",
        element(
            "tr",
            element("td", colspan=6),
            element("th", "Risk and its intervals", scope="colgroup", colspan=3, class_="group"),
            element(
                "th", "Difference from the reference", scope="colgroup", colspan=3, class_="group"
            ),
            element("td"),
        ),
        element("tr", [element("th", h.head, scope="col", class_=h.look) for h in heads]),
    )
    bodies = []
    if (ALL, ALL) in risks:
        bodies.append(element("tbody", _risk_row("All", risks[ALL, ALL], None, [], False)))
    for factor in plan.factors:
        unknown = missing.get(factor.name)
        rows = [
            element(
                "tr",
                element(
                    "th",
                    element(
                        "span",
                        factor.label,
                        element("small", f" ({count(unknown)} not known)") if unknown else None,
                    ),
                    scope="rowgroup",
                    colspan=len(heads),
                ),
                class_="factor",
            )
        ]
        for level in factor.levels:
            if (factor.name, level) not in risks:
                continue
            contrast = contrasts.get((factor.name, level))
            both = [risks[factor.name, factor.reference]] if contrast else []
            is_reference = level == factor.reference
            rows.append(_risk_row(level, risks[factor.name, level], contrast, both, is_reference))
        bodies.append(element("tbody", rows))
    shown = "".join(map(marks, risks.values()))
    legend = [
        element("p", f"{mark} {words}.", class_="legend")
        for mark, words in ((FEW_MARK, FEW_WORDS), (CARRIED_MARK, CARRIED_WORDS))
        if mark in shown
    ]
    caption = f"{outcome.label} within {span(horizon)} ({horizon:,} days)"
    return element("div", scrolling(caption, head, *bodies), *legend, class_="risks")


def _risk_row(
    name: str, risk: dict, contrast: dict | None, reference: list[dict], is_reference: bool
) -> Html:
    cells: list[Content] = [
        count(risk["n"]),
        count(risk["events"]),
        count(risk["competing"]),
        count(risk["censored"]),
        count(risk["at_risk"]),
        percent(risk["estimate"]),
        limits(risk["recommended_lower"], risk["recommended_upper"]),
        limits(risk["lower"], risk["upper"]),
    ]
    if contrast:
        mark = "" if contrast["risk_difference"] is None else marks(risk, *reference)
        cells += [
            percent(contrast["risk_difference"]) + mark,
            span_limits(contrast["recommended_lower"], contrast["recommended_upper"]),
            span_limits(contrast["lower"], contrast["upper"]),
        ]
    else:
        cells += ["reference" if is_reference else "", "", ""]
    looks = ["n"] * 5 + ["n best", "n best", "n", "n best", "n best", "n"]
    note = (contrast or risk).get("note") or risk.get("note")
    return element(
        "tr",
        element("th", name, marks(risk) and f" {marks(risk)}", scope="row"),
        [element("td", c, class_=look) for c, look in zip(cells, looks, strict=True)],
        element("td", note, class_="note"),
    )


# ------------------------------------------------------------------ the rule, and who was left out


def _rule_table(document: dict, plan) -> Html:
    outcomes = {outcome.name: outcome.label for outcome in plan.outcomes}
    factors = {factor.name: factor for factor in plan.factors}
    rows = []
    for row in document["rule"]:
        factor = factors[row["factor"]]
        rows.append(
            [
                f"{factor.label}: {row['level']} against {factor.reference}",
                f"{outcomes[row['outcome']]}, {span(row['horizon_days'])}",
                # Two decimals: a difference may lie close to the threshold.
                percent(row["risk_difference"], 2),
                f"{100 * row['threshold']:g}",
                element("b", VERDICTS[row["high_risk"]])
                if row["high_risk"]
                else VERDICTS[row["high_risk"]],
                NONE
                if row["bootstrap_share"] is None
                else f"{percent(row['bootstrap_share'], 0)} % of {count(row['bootstrap_samples'])}",
            ]
        )
    return table(
        "The rule: high-risk where the unrounded risk difference exceeds the threshold, and the "
        "share of bootstrap samples in which it does",
        [
            Column("Factor"), Column("Outcome"), number("RD, points"), number("Threshold"),
            Column("Verdict"), number("Holds in"),
        ],
        rows,
    )  # fmt: skip


def _difference_table(document: dict, plan) -> Html:
    """What stands beside a difference: its p value, the ratio, and Gray's test of the factor."""
    outcomes = {outcome.name: outcome.label for outcome in plan.outcomes}
    factors = {factor.name: factor for factor in plan.factors}
    gray = {(row["outcome"], row["factor"]): row for row in document["gray_test"]}
    rows = []
    for row in document["contrasts"]:
        factor, test = factors[row["factor"]], gray[row["outcome"], row["factor"]]
        rows.append(
            [
                f"{factor.label}: {row['level']} against {row['reference']}",
                f"{outcomes[row['outcome']]}, {span(row['horizon_days'])}",
                percent(row["risk_difference"]),
                p_value(row["p_value"]),
                ratio(row["risk_ratio"]),
                f"{ratio(row['ratio_lower'])} to {ratio(row['ratio_upper'])}"
                if row["ratio_lower"] is not None
                else NONE,
                p_value(test["p_value"]),
            ]
        )
    return table(
        "Differences and ratios: two-sided Wald p value of the difference, risk ratio with its "
        f"{level_of(document)} % Wald interval on the log scale, and Gray's test of the factor "
        "over all of follow-up. Not adjusted for the number of comparisons",
        [
            Column("Group"), Column("Outcome"), number("RD, points"), number("p"),
            number("Risk ratio"), number("Interval"), number("Gray's test, p"),
        ],
        rows,
    )  # fmt: skip


def _time_lost_table(document: dict, plan) -> Html:
    outcomes = {outcome.name: outcome.label for outcome in plan.outcomes}
    labels = {factor.name: factor.label for factor in plan.factors}
    return table(
        "Restricted mean time lost: days without the outcome that a person loses to it, on "
        "average, by the last day",
        [
            Column("Group"), Column("Outcome"), number("Days lost"), number("Interval, plain"),
            Column("Note"),
        ],
        [
            [
                "All" if row["factor"] == ALL else f"{labels[row['factor']]}: {row['level']}",
                f"{outcomes[row['outcome']]}, {span(row['horizon_days'])}",
                NONE if row["days_lost"] is None else f"{row['days_lost']:,.1f}",
                NONE if row["lower"] is None else f"{row['lower']:,.1f} to {row['upper']:,.1f}",
                row["note"],
            ]
            for row in document["time_lost"]
        ],
    )  # fmt: skip


def _follow_up_tables(document: dict, plan) -> list[Html]:
    outcomes = {outcome.name: outcome.label for outcome in plan.outcomes}
    return [
        table(
            "Follow-up of everyone in days: quartiles of potential follow-up by the reverse "
            "Kaplan–Meier estimate, and the last outcome seen",
            [
                Column("Outcome"), number("Persons"), number("Lower quartile"), number("Median"),
                number("Upper quartile"), number("Last outcome"), number("Last follow-up"),
            ],
            [
                [
                    outcomes[row["outcome"]],
                    *(
                        count(row[name])
                        for name in (
                            "n", "lower_quartile_days", "median_days", "upper_quartile_days",
                            "last_event_days", "last_days",
                        )
                    ),
                ]
                for row in document["follow_up"]
            ],
        ),
        table(
            "Outcomes by year of follow-up",
            [
                Column("Year"), Column("Outcome"), number("At risk at its start"),
                number("Outcomes in it"),
            ],
            [
                [
                    str(row["year"]), outcomes[row["outcome"]], count(row["at_risk"]),
                    count(row["events"]),
                ]
                for row in document["yearly"]
            ],
        ),
        *([_schedule_table(document)] if document["schedule"] else []),
    ]  # fmt: skip


def _schedule_table(document: dict) -> Html:
    return table(
        "Follow-up schedule: visits to the year of the last outcome of any kind, and years of "
        "imaging of who is at high risk",
        [Column("Year"), number("Visits"), Column("Imaging at high risk")],
        [
            [
                str(row["year"]),
                count(row["visits"]),
                "yes" if row["is_imaged_at_high_risk"] else "no",
            ]
            for row in document["schedule"]
        ],
    )


def _missing(document: dict, plan) -> Html:
    n = {row["factor"]: row["n"] for row in document["missing"]}
    return table(
        "Level not known: left out of that factor only",
        [Column("Factor"), number("Persons")],
        [[factor.label, count(n.get(factor.name))] for factor in plan.factors],
    )


def _prevalent(document: dict, plan) -> Html:
    n = {row["outcome"]: row["n"] for row in document["prevalent"]}
    return table(
        "Outcome on or before the index date: left out of that outcome only",
        [Column("Outcome"), number("Persons")],
        [[outcome.label, count(n.get(outcome.name))] for outcome in plan.outcomes],
    )


# ------------------------------------------------------------------ how to read them


def reading(document: dict, plan) -> list[Html]:
    """What a reader must know of the method, and what the study itself has to say."""
    points: list[Content] = [_guarantee(outcome) for outcome in plan.outcomes if outcome.from_day]
    points += document.get("notes", [])
    points += [
        "Risks are absolute, with death as a competing event: a person who dies can no longer have "
        "the outcome, and is not counted as if still waiting for it.",
        f"Under {FEW_EVENTS} events in a group no interval is worth much, whichever its kind. Such "
        f"groups carry {FEW_MARK}; read them as an order of magnitude.",
    ]
    if document["rule"]:
        points.append(
            "The rule looks at the point estimate alone. The share of bootstrap samples says how "
            "often another draw of the same persons would have given the same verdict."
        )
    points += [
        "Factors are taken one at a time. Nothing here is adjusted for anything else.",
        "Published intervals of risks are cut at 0 and 100 %; those of differences are not.",
    ]
    return [
        element("ul", [element("li", point) for point in points]),
        *_methods(document.get("methods")),
    ]


def _guarantee(outcome) -> str:
    return (
        f"{outcome.label} cannot occur before day {outcome.from_day}, while deaths can: a "
        "guarantee time. Whoever dies or leaves before that day never was at risk of it, and "
        "still counts."
    )


def _methods(methods: Content | dict) -> list[Html]:
    if not methods:
        return []
    if not isinstance(methods, dict):
        return [element("p", methods)]
    return [
        element("h3", "Methods"),
        element(
            "dl",
            [
                (
                    element("dt", name.replace("_", " ").capitalize()),
                    element("dd", f"{100 * value:g} %" if name == "level" else str(value)),
                )
                for name, value in sorted(methods.items())
            ],
        ),
    ]
