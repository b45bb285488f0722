"""Quality on the page: waivers and overrides first, then every check in words, with its rows.

However many checks there are, the browser lays out one page of them: they stand in a `noscript`,
which a browser with a script keeps as text, and the page's script makes elements of those that the
filters leave. A browser without one shows them all.
"""

import json
from collections import Counter
from collections.abc import Iterable

from etl.report.html import Content, Html, element
from etl.report.numbers import NONE, count, percent
from etl.report.tables import Column, folded, number, table

# The worst first.
STATUSES = ("fail", "not_run", "pass_with_findings", "pass", "not_applicable")
COULD_FAIL = ("pass", "pass_with_findings", "fail")
# What a status looks like where there is no colour.
MARKS = {
    "fail": "✕", "not_run": "?", "pass_with_findings": "!", "pass": "✓", "not_applicable": "–",
}  # fmt: skip
CHANGES = {
    "new": "new finding", "worsened": "worsened", "improved": "improved", "fixed": "fixed",
    "same": "same as before", "first": "first refresh of the check",
}  # fmt: skip
ALL = "(all)"
FITNESS = ("unfit", "usable with findings", "usable")
# Failing rows on the page, in spans: of one check, and of all together. The rest is a query away.
SPANS_OF_A_CHECK, SPANS_OF_THE_PAGE = 200, 20_000
# Estimates without the persons of a finding that are shown at once.
SHIFTS_SHOWN = 25
# Refreshes that a trend shows: the first one and the last ones.
TREND_REFRESHES = 20
TREND_WIDTH, TREND_HEIGHT = 120, 24


# ------------------------------------------------------------------ waivers, overrides, fitness


def waived(waivers: list[dict], overrides: list[dict]) -> list[Html]:
    """Who has excused what, with a reason and to what day: it heads all that is said of quality."""
    told = [
        table(
            "Waivers: a check that may be red for a while, by two persons' word",
            [
                Column("Check"), Column("Status"), Column("Owner"), Column("Second"),
                Column("Reason"), Column("Granted"), Column("Expires"),
            ],
            [
                [
                    [row["check_id"], element("small", " ", row["suite"])],
                    element("b", row["status"]), row["owner"], row["second"], row["reason"],
                    str(row["granted_on"]), str(row["expires_on"]),
                ]
                for row in waivers
            ],
        )
        if waivers
        else element("p", "No check is waived.", class_="empty"),
        table(
            "Overrides: records confirmed as they stand",
            [
                Column("Check"), Column("Status"), number("Records"), Column("Reviewer"),
                Column("Reviewed"), Column("Reason"),
            ],
            [
                [
                    row["check"], element("b", row["status"]), count(row["n"]), row["reviewer"],
                    str(row["reviewed_on"]), row["reason"],
                ]
                for row in overrides
            ],
        )
        if overrides
        else element("p", "No record is overridden.", class_="empty"),
    ]  # fmt: skip
    return told


def fitness(rows: list[dict]) -> Html:
    """Per mart whether it can be used, with the findings that say so and what rests on it."""
    if not rows:
        return element("p", "Nothing is said about the fitness of single marts.", class_="empty")
    in_order = sorted(rows, key=lambda row: (FITNESS.index(row["fitness"]), row["mart"]))
    return table(
        "Each mart, by the checks of what it is made from",
        [
            Column("Mart"),
            Column("Fitness"),
            Column("Findings"),
            Column("Estimates that they touch"),
        ],
        [
            [
                row["mart"],
                element("b", row["fitness"]),
                _how_many(row["findings"], "finding"),
                _how_many(row["estimates"], "estimate"),
            ]
            for row in in_order
        ],
    )


def _how_many(names: list[str], what: str) -> Content:
    """Their number, and their names one key away."""
    if not names:
        return NONE
    words = f"{count(len(names))} {what}{'s' if len(names) > 1 else ''}"
    return folded(words, element("ul", [element("li", name) for name in names]), is_long=True)


def sensitivity(rows: list[dict], plan) -> list[Html]:
    """What each open finding would move: the estimate without the persons whom it touches."""
    if not rows:
        return [element("p", "No open finding touches a person of the cohort.", class_="empty")]
    labels = {one.name: one.label for one in (*plan.outcomes, *plan.factors)} | {ALL: "All"}
    in_order = sorted(
        rows, key=lambda row: (not _is_turned(row), -abs(row["shift"] or 0), row["check"])
    )
    n_turned = sum(map(_is_turned, rows))
    first, rest = in_order[:SHIFTS_SHOWN], in_order[SHIFTS_SHOWN:]

    def told(caption: str, some: list[dict]) -> Html:
        return table(
            caption,
            [
                Column("Finding"), Column("Outcome"), Column("Factor"), Column("Level"),
                number("Persons left out"), number("Risk, %"), number("Without them, %"),
                number("Shift, points"), Column("Verdict of the rule"),
            ],
            [
                [
                    [row["words"], element("small", " ", row["check"])],
                    labels.get(row["outcome"], row["outcome"]),
                    labels.get(row["factor"], row["factor"]),
                    labels.get(row["level"], row["level"]), count(row["n_affected"]),
                    percent(row["estimate"], 2), percent(row["estimate_without"], 2),
                    _points(row["shift"]), _verdict(row),
                ]
                for row in some
            ],
        )  # fmt: skip

    return [
        element(
            "p",
            "The estimate as released, and again without the persons whom the finding touches; "
            "the largest shift first, in percentage points. "
            + (
                f"In {count(n_turned)} of {count(len(rows))} the rule would give another verdict: "
                "they stand before the others."
                if n_turned
                else "In none would the rule give another verdict."
            ),
        ),
        told("Estimates without the persons of each open finding", first),
        folded(
            f"The other {count(len(rest))}, with smaller shifts",
            told("Smaller shifts", rest),
            is_long=True,
        )
        if rest
        else None,
    ]


def _is_turned(row: dict) -> bool:
    """Whether the rule would say something else without the persons of a finding."""
    now = row.get("high_risk")
    return now is not None and now != row.get("high_risk_without")


def _verdict(row: dict) -> Content:
    """What the rule says of the level, where it says anything, and whether that holds."""
    now, without = row.get("high_risk"), row.get("high_risk_without")
    if now is None:
        return NONE
    words = {True: "high-risk", False: "not high-risk", None: "no verdict"}
    if not _is_turned(row):
        return words[now]
    return element("b", f"{words[now]}, without them {words[without]}")


def _points(shift: float | None) -> str:
    return NONE if shift is None else f"{shift + 0.0:+.2f}".replace("-", "−")


# ------------------------------------------------------------------ the checks


def checks(rows: list[dict]) -> list[Html]:
    """Every result as one article, the worst first, with what filters them and tells of all.

    A row is one of `quality.result`, and where known `failing` (packed keys), `checked_sql` and
    `failing_sql`, `trend`, `change`, `waiver`, `words_da`, `since` and `source`.
    """
    if not rows:
        return [element("p", "No check was run.", class_="empty")]
    in_order = sorted(rows, key=_place)
    left = SPANS_OF_THE_PAGE
    articles = []
    for row in in_order:
        most = min(SPANS_OF_A_CHECK, left)
        spans = _spans(row.get("failing") or (), most + 1)
        left -= len(spans[:most])
        articles.append(_article(row, spans[:most], is_cut=len(spans) > most))
    return [
        element("p", _sentence(rows)),
        _tiles(rows),
        _by_suite(rows),
        _filters(rows),
        element("div", id="checks-shown", class_="scripted", hidden=True),
        # What a script finds as text, and who has none reads.
        element("noscript", articles, id="checks-all"),
    ]


def _sentence(rows: list[dict]) -> str:
    n = Counter(row.get("status") for row in rows)
    change = Counter(row.get("change") for row in rows)
    could_fail = sum(n[status] for status in COULD_FAIL)
    words = (
        f"{count(could_fail)} checks that could fail: {count(n['pass'])} pass, "
        f"{count(n['pass_with_findings'])} pass with findings, {count(n['fail'])} fail. "
        f"Apart from them {count(n['not_applicable'])} not applicable, "
        f"{count(n['not_run'])} not run: neither counts as a pass."
    )
    moved = [
        f"{count(change[name])} {name}"
        for name in ("new", "worsened", "improved", "fixed")
        if change[name]
    ]
    return f"{words} Since the refresh before: {', '.join(moved)}." if moved else words


def _place(row: dict) -> tuple:
    status = row.get("status")
    place = STATUSES.index(status) if status in STATUSES else -1
    return (place, *(str(row.get(name) or "") for name in ("suite", "check_id", "scope")))


def _tiles(rows: list[dict]) -> Html:
    n = Counter(row.get("status") for row in rows)
    return element(
        "ul",
        [
            element(
                "li", element("b", count(n[status])), " ", _status(status), class_=f"tile {status}"
            )
            for status in STATUSES
        ],
        class_="tiles",
    )


def _by_suite(rows: list[dict]) -> Html:
    n: dict[str, Counter] = {}
    for row in rows:
        n.setdefault(register_of(row), Counter())[row.get("status")] += 1
    return table(
        "Results by register",
        [Column("Register"), *(number(_words(status)) for status in STATUSES)],
        [
            [name, *(count(of[status]) for status in STATUSES)]
            for name, of in sorted(n.items())
        ],
    )  # fmt: skip


def register_of(row: dict) -> str:
    """The register that a suite is about; its room where it is about the study."""
    room, _, rest = str(row.get("suite") or "").partition(".")
    if room == "landing" and rest:
        return rest.partition(".")[0]
    if room == "staging" and rest.startswith("stg_"):
        return rest.removeprefix("stg_").partition("__")[0]
    return room or NONE


def _filters(rows: list[dict]) -> Html:
    def choices(name: str, words: str, values: Iterable[str], said: dict[str, str]) -> Html:
        return element(
            "div",
            element("label", words, for_=f"by-{name}"),
            element(
                "select",
                element("option", "all", value=""),
                [element("option", said.get(one, one), value=one) for one in values],
                id=f"by-{name}",
                data_by=name,
            ),
        )

    def known(name: str) -> list[str]:
        return sorted({str(row[name]) for row in rows if row.get(name)})

    fields = [
        choices("register", "Register", sorted({register_of(row) for row in rows}), {}),
        choices("severity", "Severity", known("severity"), {}),
        choices("category", "Category", known("category"), {}),
        choices(
            "status",
            "Status",
            [s for s in STATUSES if any(row.get("status") == s for row in rows)],
            {status: _words(status) for status in STATUSES},
        ),
    ]
    if known("change"):
        fields.append(choices("change", "Since before", known("change"), CHANGES))
    fields.append(
        element(
            "div",
            element("label", "Text", for_="by-text"),
            element("input", id="by-text", type="search", autocomplete="off"),
            class_="text",
        )
    )
    if any(row.get("words_da") for row in rows):
        languages = element(
            "select",
            element("option", "English", value="en"),
            element("option", "Dansk", value="da"),
            id="language",
        )
        fields.append(
            element("div", element("label", "Words of checks in", for_="language"), languages)
        )
    return element(
        "form",
        fields,
        element("button", "Show all", type="reset"),
        element("output", id="checks-found", aria_live="polite"),
        id="filters",
        class_="filters scripted",
        aria_label="Which checks are shown",
        hidden=True,
    )


# ------------------------------------------------------------------ one check


def _article(row: dict, spans: list[str], is_cut: bool) -> Html:
    facets = {
        "data_register": register_of(row),
        "data_severity": row.get("severity"),
        "data_category": row.get("category"),
        "data_status": row.get("status"),
        "data_change": row.get("change"),
    }
    return element(
        "article",
        element(
            "details",
            element(
                "summary",
                _status(row.get("status")),
                " ",
                _in_both(row),
                " ",
                element("span", _short_count(row), class_="share"),
                element(
                    "span",
                    row.get("suite"),
                    f", {row['scope']}" if row.get("scope") else "",
                    f" · {CHANGES[row['change']]}"
                    if row.get("change") in ("new", "worsened", "improved", "fixed")
                    else "",
                    " · waived" if row.get("waiver") else "",
                    class_="where",
                ),
            ),
            element("p", row["why"]) if row.get("why") else None,
            _facts(row),
            _sql(row),
            _failing(row, spans, is_cut),
        ),
        **facets,
        class_="check",
    )


def _in_both(row: dict) -> Html:
    english = row.get("words") or row.get("check_id")
    danish = row.get("words_da")
    if not danish:
        return element("span", english, class_="words")
    return element(
        "span",
        element("span", english, lang="en"),
        " ",
        element("span", danish, lang="da"),
        class_="words",
    )


def _short_count(row: dict) -> str:
    if row.get("status") == "not_applicable":
        return "about no rows"
    if row.get("status") == "not_run":
        return "could not be run"
    told = f"{count(row.get('n_failing'))} of {count(row.get('n_checked'))} fail{_share(row)}"
    confirmed = row.get("n_confirmed")
    return f"{told}, {count(confirmed)} of them confirmed" if confirmed else told


def _share(row: dict) -> str:
    failing, checked = row.get("n_failing"), row.get("n_checked")
    return f" ({percent(failing / checked, 2)} %)" if failing and checked else ""


def _facts(row: dict) -> Html:
    waiver = row.get("waiver")
    facts = {
        "Check": element("code", row.get("check_id")),
        "Tolerated": _tolerated(row),
        "Reason": row.get("reason"),
        "Severity": row.get("severity"),
        "Category": row.get("category"),
        "Looked at by": row.get("owner"),
        "Since": row.get("since"),
        "Source": row.get("source"),
        "Waiver": f"{waiver['reason']} ({waiver['owner']} and {waiver['second']}, to "
        f"{waiver['expires_on']})"
        if waiver
        else None,
        "Over time": _trend(row.get("trend") or []),
    }
    return element(
        "dl",
        [
            [element("dt", name), element("dd", value)]
            for name, value in facts.items()
            if value not in (None, "")
        ],
        class_="check-facts",
    )


def _tolerated(row: dict) -> str:
    words = []
    if row.get("tolerated_rows") is not None:
        words.append(f"{count(row['tolerated_rows'])} rows")
    if row.get("tolerated_percent") is not None:
        words.append(f"{row['tolerated_percent']:g} %")
    return " and ".join(words) or "none"


def _trend(points: list[dict]) -> Content:
    """The share of rows that fail, refresh by refresh, as a line and in words."""
    if len(points) > TREND_REFRESHES + 1:
        points = [points[0], *points[-TREND_REFRESHES:]]
    shares = [
        (point, point["n_failing"] / point["n_checked"])
        for point in points
        if point.get("n_checked") and point.get("n_failing") is not None
    ]
    if len(shares) < 2:
        return None
    told = [shares[0], *shares[-2:]] if len(shares) > 2 else shares
    words = "; ".join(
        f"refresh {count(point['refresh_number'])}: {count(point['n_failing'])} of "
        f"{count(point['n_checked'])}"
        for point, _ in told
    )
    most = max(share for _, share in shares) or 1
    step = TREND_WIDTH / (len(shares) - 1)
    line = " ".join(
        f"{nth * step:.0f},{TREND_HEIGHT - 2 - share / most * (TREND_HEIGHT - 4):.0f}"
        for nth, (_, share) in enumerate(shares)
    )
    return [
        element(
            "svg",
            element("polyline", points=line),
            viewBox=f"0 0 {TREND_WIDTH} {TREND_HEIGHT}",
            class_="trend",
            aria_hidden="true",
        ),
        " ",
        words,
    ]


def _sql(row: dict) -> Content:
    """The rows that are looked at, and those among them that fail; else the expectation."""
    if row.get("failing_sql"):
        of = row.get("checked_sql")
        words = f"-- rows that fail\n{row['failing_sql']}"
        return element("pre", words, f"\n-- of these rows\n{of}" if of else None)
    if not row.get("expectation"):
        return None
    return element("pre", row["expectation"], " ", row.get("arguments") or "")


def _spans(failing: Iterable[dict], most: int) -> list[str]:
    """Packed keys, a line for each run of rows, at most so many."""
    spans: list[str] = []
    for one in failing:
        if len(spans) >= most:
            break
        last = [one["text"]] if "text" in one else one["numbers"].split()
        spans += [" ".join((*one["under"], end)) for end in last[: most - len(spans)]]
    return spans


def _failing(row: dict, spans: list[str], is_cut: bool) -> Content:
    n = row.get("n_failing") or 0
    if not n:
        return None
    where = (
        "quality.failure",
        f"suite = '{row.get('suite')}' and check_id = '{row.get('check_id')}'"
        + (f" and scope = '{row['scope']}'" if row.get("scope") else ""),
    )
    keys = row.get("key_columns")
    named = ", ".join(json.loads(keys) if isinstance(keys, str) else keys or ())
    words = f"Failing rows by {named}" if named else "Failing rows"
    first = ", the first of them" if is_cut else ""
    return [
        element("p", f"{words}{first}:", class_="label") if spans else None,
        element("ol", [element("li", span) for span in spans], class_="paged") if spans else None,
        element(
            "p",
            f"All of this study's are in {where[0]} of marts.duckdb, where ",
            element("code", where[1]),
            ".",
            class_="legend",
        ),
    ]


# ------------------------------------------------------------------ words


def _words(status: str) -> str:
    return str(status).replace("_", " ")


def _status(status: str | None) -> Html:
    known = status if status in STATUSES else None
    return element(
        "span",
        element("span", MARKS[known], aria_hidden="true") if known else None,
        " " if known else None,
        _words(status),
        class_=f"status {known}" if known else "status",
    )
