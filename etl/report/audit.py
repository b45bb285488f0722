"""What stands behind the results on the page: cohort, rows of the linkage, evidence, files."""

from collections import Counter

from etl.report.html import Content, Html, beside, element
from etl.report.numbers import NONE, count, percent
from etl.report.tables import Column, code, folded, number, table

STAGES = ("received", "quarantined", "landed", "unlinked", "linked")


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
            is_long=True,
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
            is_long=True,
        ),
    ]  # fmt: skip


def files(listed: list[dict]) -> list[Html]:
    """What lies beside the page."""
    return [
        element(
            "p", element("a", "evidence.json", href="evidence.json"), " names each with its hash."
        ),
        table(
            "Files beside this page",
            [Column("File"), number("Bytes")],
            [
                [element("a", row["path"], href=beside(row["path"])), count(row.get("bytes"))]
                for row in listed
            ],
        ),
    ]
