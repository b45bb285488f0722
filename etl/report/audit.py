"""What stands behind the results on the page: cohort, linkage, checks, evidence, files."""

from collections import Counter

from etl.report.html import Content, Html, beside, element
from etl.report.numbers import NONE, count, percent
from etl.report.tables import Column, code, folded, number, table

STAGES = ("received", "quarantined", "landed", "unlinked", "linked")
STATUSES = ("fail", "not_run", "pass_with_findings", "not_applicable", "pass")
COULD_FAIL = ("pass", "pass_with_findings", "fail")


def cohort(attrition: list[dict]) -> Html:
    return table(
        "Each step, and who left there",
        [
            number("Step"), Column("Left out there, or counted"), Column("Unit"), number("In"),
            number("Left out"), number("On"),
        ],
        [
            [
                count(row["step"]), row["label"], row["unit"], count(row["n_in"]),
                count(row["n_excluded"]), count(row["n_out"]),
            ]
            for row in sorted(attrition, key=lambda row: row["step"])
        ],
    )  # fmt: skip


LISTS = {
    "case_morphology": "Morphology, whole",
    "case_topography": "Topography, by its beginning",
    "unspecific_topography": "Topography that says no place",
}


def code_lists(rows: list[dict]) -> list[Html]:
    """Rows of marts.code_usage: each code with its era and source, and how it was used."""
    used = sum(row["n_outside_era"] for row in rows)
    return [
        table(
            "Code lists",
            [
                Column("List"), code("Code"), Column("Meaning"), Column("System"),
                Column("From"), Column("To"), Column("Source"), number("Requisitions"),
                number("Outside the era"), Column("First used"), Column("Last used"),
            ],
            [
                [
                    LISTS.get(row["list"], row["list"]), row["code"], row["name"] or NONE,
                    row["system"] or NONE, str(row["valid_from"] or NONE),
                    str(row["valid_to"] or NONE), row["source"] or NONE,
                    count(row["n_requisitions"]), count(row["n_outside_era"]),
                    str(row["first_date"] or NONE), str(row["last_date"] or NONE),
                ]
                for row in sorted(rows, key=lambda row: (row["list"], row["code"]))
            ],
        ),
        element(
            "p",
            f"{count(used)} requisitions carry a code outside its era; there it counts for "
            "nothing. Morphologies are counted in the whole pathology register, topographies on "
            "the requisitions with a case morphology.",
            class_="legend",
        ),
    ]  # fmt: skip


# ------------------------------------------------------------------ linkage


def linkage(flow: list[dict]) -> list[Html]:
    """Rows by register; why some did not come through; each table and period."""
    reasons = Counter()
    for row in flow:
        if row["stage"] in ("quarantined", "unlinked") and row["n_rows"]:
            key = (row["register"], row["table_name"], row["stage"], row["reason"] or NONE)
            reasons[key] += row["n_rows"]
    heads = [number(stage.capitalize()) for stage in STAGES]
    return [
        element(
            "p",
            "Rows received = quarantined + landed; landed = unlinked + linked. "
            "A row that is quarantined or unlinked is kept, with its reason.",
        ),
        table(
            "Rows of each register",
            [Column("Register"), *heads, number("Linked of landed, %")],
            _sums(flow, "register"),
        ),
        table(
            "Rows that did not come through",
            [Column("Register"), Column("Table"), Column("Stage"), Column("Why"), number("Rows")],
            [[*key, count(n)] for key, n in sorted(reasons.items())],
        ),
        folded(
            "Rows of each table and period",
            table(
                "Rows of each table and period",
                [
                    Column("Register"), Column("Table"), Column("Period"), *heads,
                    number("Linked of landed, %"),
                ],
                _sums(flow, "register", "table_name", "period"),
            ),
        ),
    ]  # fmt: skip


def _sums(flow: list[dict], *names: str) -> list[list[Content]]:
    sums: dict[tuple, Counter] = {}
    for row in flow:
        key = tuple(str(row.get(name) or NONE) for name in names)
        sums.setdefault(key, Counter())[row["stage"]] += row["n_rows"]
    return [
        [
            *key,
            *(count(n[stage]) for stage in STAGES),
            percent(n["linked"] / n["landed"], 2) if n["landed"] else NONE,
        ]
        for key, n in sorted(sums.items())
    ]


# ------------------------------------------------------------------ checks


def checks(rows: list[dict]) -> list[Html]:
    """First those to look at, each with its reason; the others are folded away."""
    n = Counter(row.get("status") for row in rows)
    could_fail = sum(n[status] for status in COULD_FAIL)
    sentence = (
        f"{count(could_fail)} checks that could fail: {count(n['pass'])} pass, "
        f"{count(n['pass_with_findings'])} pass with findings, {count(n['fail'])} fail. "
        f"Apart from them {count(n['not_applicable'])} not applicable, "
        f"{count(n['not_run'])} not run: neither counts as a pass."
    )
    rows = sorted(rows, key=_check_order)
    look_at = [r for r in rows if r.get("status") not in ("pass", "not_applicable")]
    rest = [r for r in rows if r.get("status") in ("pass", "not_applicable")]
    return [
        element("p", sentence),
        _check_table("Checks with something to look at", look_at),
        folded(
            f"The other {count(len(rest))} checks", _check_table("Passed or not applicable", rest)
        ),
        element(
            "p",
            element("a", "Every check with its failing rows", href="data_docs/index.html"),
            " (Data Docs, beside this page).",
        ),
    ]


def _check_order(row: dict) -> tuple:
    status = row.get("status")
    place = STATUSES.index(status) if status in STATUSES else -1
    return (place, *(str(row.get(name) or "") for name in ("suite", "check_id", "scope")))


def _check_table(caption: str, rows: list[dict]) -> Html:
    return table(
        caption,
        [
            Column("Check"), Column("Where"), Column("Result"), number("Failing"),
            number("Checked"), number("Tolerated"), Column("Severity"), Column("Category"),
            Column("Why"),
        ],
        [
            [
                row.get("words") or row.get("check_id"),
                [
                    row.get("suite") or row.get("table_name"),
                    element("small", " ", row["scope"]) if row.get("scope") else None,
                ],
                _result(row),
                count(row.get("n_failing")),
                count(row.get("n_checked")),
                _tolerated(row),
                row.get("severity"),
                row.get("category"),
                row.get("why"),
            ]
            for row in rows
        ],
    )  # fmt: skip


def _result(row: dict) -> list[Content]:
    status = str(row.get("status"))
    look = status if status in STATUSES else None
    return [
        element("span", status.replace("_", " "), class_=f"status {look}" if look else "status"),
        element("small", " ", row["reason"]) if row.get("reason") else None,
    ]


def _tolerated(row: dict) -> str:
    words = []
    if row.get("tolerated_rows") is not None:
        words.append(f"{count(row['tolerated_rows'])} rows")
    if row.get("tolerated_percent") is not None:
        words.append(f"{row['tolerated_percent']:g} %")
    if not words and row.get("threshold") is not None:
        words.append(str(row["threshold"]))
    return ", ".join(words) or "none"


# ------------------------------------------------------------------ evidence and files


def evidence(facts: dict) -> list[Html]:
    """The keys of the release, and each delivered file with its hash."""
    keys = dict(facts.get("keys", {}))
    gate = {"quality gate": keys.pop("gate", None)}
    hashes = {f"{name}, SHA-256": value for name, value in keys.items()}
    contracts = {f"contract of {name}": v for name, v in facts.get("contracts", {}).items()}
    lock = {"environment lock, SHA-256": facts.get("environment_lock_sha256")}
    gone = facts.get("erased") or {}
    erased = {
        "erased on request": f"persons {count(gone['persons'])}, rows {count(gone['rows'])}"
        if gone.get("persons")
        else None
    }
    deliveries = facts.get("deliveries", [])
    return [
        table(
            "What this release was made from",
            [Column("Evidence"), code("Value")],
            [
                [name, str(value)]
                for name, value in {
                    "release": facts.get("release_id"), **hashes, **gate, **contracts, **lock,
                    **erased,
                }.items()
                if value is not None
            ],
        ),
        folded(
            f"Delivered files: {count(len(deliveries))}",
            table(
                "Delivered files",
                [
                    Column("Register"), Column("Table"), Column("Period"), Column("Delivered on"),
                    Column("Complete to"), number("Rows"), code("File"), code("SHA-256"),
                ],
                [
                    [
                        row.get("register"), row.get("table_name"), row.get("period"),
                        row.get("delivered_on"), row.get("complete_to") or NONE,
                        count(row.get("rows")), row.get("path"), row.get("sha256"),
                    ]
                    for row in deliveries
                ],
            ),
        ),
    ]  # fmt: skip


def files(listed: list[dict]) -> list[Html]:
    """What lies beside the page; the many pages of the data docs are folded away."""

    def of(rows: list[dict]) -> Html:
        return table(
            "Files beside this page",
            [Column("File"), number("Bytes")],
            [
                [element("a", row["path"], href=beside(row["path"])), count(row.get("bytes"))]
                for row in rows
            ],
        )

    docs = [row for row in listed if row["path"].startswith("data_docs/")]
    return [
        element(
            "p", element("a", "evidence.json", href="evidence.json"), " names each with its hash."
        ),
        of([row for row in listed if row not in docs]),
        folded(f"Files of the data docs: {count(len(docs))}", of(docs)) if docs else Html(""),
    ]
