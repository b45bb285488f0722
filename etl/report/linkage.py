"""How well the registers hang together: a section of the page, and its picture.

Answers what the RECORD statement asks of a linked study: how many persons came through at each
stage (6.3), how rows were linked and how that was judged (12.3), and what was left out for want of
data, of quality or of a link (13.1).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from etl.report.cohort import Box, draw_boxes
from etl.report.drawing import own_style
from etl.report.frame import part
from etl.report.html import Content, Html, element
from etl.report.numbers import count, percent
from etl.report.tables import Column, folded, number, table

CAPTION = "How rows became persons"
ALL_BUT_CPR = "(all but cpr)"
# What failed, in the order in which rows are lost, as the picture and the tables say it.
FAILED = {
    "number": "the number cannot be one",
    "row": "refused for something else than the number",
    "civil_register": "the number leads to nobody in the civil register",
    "contact": "the row hangs on no contact, or on two persons' contacts",
    "withheld": "withheld: somebody's number stands in a text",
}
STAGES = ("n_received", "n_valid_number", "n_landed", "n_resolved", "n_linked", "n_in_population",
          "n_not_linked")  # fmt: skip
HEADS = ("Received", "Valid number", "Landed", "Resolved", "Linked", "In the population",
         "Not linked")  # fmt: skip
CONFLICTS = {
    "sex_of_numbers_differs": "the civil register's entries of one person differ in sex",
    "birth_date_of_numbers_differs": "the civil register's entries of one person differ in birth",
    "childbirth_of_a_man": "pregnancy or childbirth of a man",
    "event_before_birth": "an event before birth",
    "event_after_death": "an event more than 30 days after death",
}


@dataclass(frozen=True)
class Linkage:
    """Rows of the marts of the same names; `loss` has the words of its reason too."""

    quality: list[dict]
    loss: list[dict]
    rate: list[dict]
    persons: list[dict]
    conflict: list[dict]
    death_disagreement: list[dict]


# ------------------------------------------------------------------ the picture


def linkage_flow(linkage: Linkage, svg: Path, png: Path, title: str) -> None:
    """Draw what was received downwards to the cohort, with what was lost at the side."""
    with own_style():
        draw_boxes(boxes(linkage), title).save(svg, png, title)


def boxes(linkage: Linkage) -> list[Box]:
    """From the rows received to the persons of the cohort."""
    lost = _lost(linkage.loss)
    n = sum(row["n_received"] for row in linkage.quality)
    n_registers = len({row["register"] for row in linkage.quality})
    words = {
        "number": f"rows received, of {n_registers} registers",
        "row": "rows whose number can be one",
        "civil_register": "rows landed",
        "contact": "rows that may lead to a person",
        "withheld": "rows that lead to one person",
    }
    drawn: list[Box] = []
    for what, why in FAILED.items():
        drawn.append((count(n), words[what], (count(lost[what]), why)))
        n -= lost[what]
    drawn.append((count(n), "rows linked", None))
    (people,) = [row for row in linkage.persons if row["register"] == ALL_BUT_CPR] or [None]
    if people:
        never = people["n_persons"] - people["n_in_population"]
        drawn.append(
            (
                count(people["n_persons"]),
                "persons with a row in another register than cpr",
                (count(never), "never lived in Denmark"),
            )
        )
        drawn.append((count(people["n_in_population"]), "persons of the population", None))
        drawn.append((count(people["n_candidates"]), "candidates of the study", None))
        drawn.append((count(people["n_in_cohort"]), "persons in the cohort", None))
    return drawn


def _lost(loss: list[dict]) -> Counter:
    lost = Counter()
    for row in loss:
        lost[row["what_failed"]] += row["n_rows"]
    return lost


# ------------------------------------------------------------------ the section


def linkage_section(linkage: Linkage, picture: Html) -> list[Html]:
    """Every part of it, `picture` among them. Every number comes from the arguments."""
    parts = [
        ("linkage-flow", "Flow (RECORD 6.3)", [picture, *_flow(linkage)]),
        ("linkage-method", "Method (RECORD 12.3)", _method()),
        ("linkage-rates", "Rates", _rates(linkage)),
        ("linkage-lost", "What was left out (RECORD 13.1)", _left_out(linkage)),
        ("linkage-classes", "By region, sex and year", _classes(linkage)),
        ("linkage-conflicts", "Conflicts between registers", _conflicts(linkage)),
    ]
    return [part(id_, heading, content, level=3) for id_, heading, content in parts]


def _flow(linkage: Linkage) -> list[Html]:
    return [
        table(
            "Rows of each register at each stage",
            [Column("Register"), *map(number, HEADS), number("Linked of landed, %")],
            _stages(linkage.quality, "register"),
        ),
        table(
            "Persons of each register",
            [
                Column("Register"), number("With a linked row"), number("In the population"),
                number("Candidates"), number("In the cohort"),
            ],
            [
                [
                    row["register"], count(row["n_persons"]), count(row["n_in_population"]),
                    count(row["n_candidates"]), count(row["n_in_cohort"]),
                ]
                for row in linkage.persons
            ],
        ),
    ]  # fmt: skip


def _method() -> list[Html]:
    return [
        element(
            "p",
            "Rows are linked person by person on the personal number, exactly: it is looked up in "
            "the civil register and followed to the number in force. Nothing is linked by "
            "likeness: a row goes to the wrong person only where its register wrote that person's "
            "number, which is what the conflicts below look for. Rows without a number of their "
            "own belong to whom their contact belongs to.",
        ),
        element(
            "p",
            "Judged by: rows that lead to nobody, by reason; rates against the refresh before; "
            "rows that hang on no contact; registers that contradict each other about a person.",
        ),
    ]


def _rates(linkage: Linkage) -> list[Html]:
    rows = []
    for row in linkage.rate:
        now = _share(row["n_linked"], row["n_landed"])
        before = _share(row["n_linked_before"], row["n_landed_before"])
        change = None if now is None or before is None else now - before
        rows.append(
            [
                row["register"], row["table_name"], count(row["n_landed"]), count(row["n_linked"]),
                count(row["n_landed"] - row["n_linked"]), percent(now, 2),
                count(row["n_landed_before"]), percent(before, 2), percent(change, 2),
            ]
        )  # fmt: skip
    orphans = [
        [
            row["register"], row["table_name"], count(row["n_landed"]),
            count(row["n_without_contact"]), count(row["n_ambiguous_contact"]),
            percent(_share(row["n_without_contact"], row["n_landed"]), 2),
        ]
        for row in linkage.rate
        if row["n_without_contact"] or row["n_ambiguous_contact"]
    ]  # fmt: skip
    return [
        table(
            "Rates of each table, against the refresh before",
            [
                Column("Register"), Column("Table"), number("Landed"), number("Linked"),
                number("Unlinked"), number("Linked, %"), number("Landed before"),
                number("Linked before, %"), number("Change, percentage points"),
            ],
            rows,
        ),
        element(
            "p",
            "The refresh before is the last one made from other delivered files.",
            class_="legend",
        ),
        table(
            "Diagnoses and operations without a contact",
            [
                Column("Register"), Column("Table"), number("Landed"), number("Without contact"),
                number("Two persons' contacts"), number("Without contact, %"),
            ],
            orphans,
        ),
    ]  # fmt: skip


def _left_out(linkage: Linkage) -> list[Html]:
    lost = _lost(linkage.loss)
    by_reason = Counter()
    for row in linkage.loss:
        why = row["words"] or row["reason"].replace("_", " ")
        by_reason[row["register"], row["table_name"], row["stage"], why] += row["n_rows"]
    return [
        element(
            "p",
            "Rows that were left out are kept, with the reason. How persons left the study is told "
            "with ",
            element("a", "the cohort", href="#cohort"),
            ".",
        ),
        table(
            "What failed",
            [Column("What failed"), number("Rows")],
            [[why, count(lost[what])] for what, why in FAILED.items()],
        ),
        table(
            "Why, table by table",
            [Column("Register"), Column("Table"), Column("Stage"), Column("Why"), number("Rows")],
            [[*key, count(n)] for key, n in sorted(by_reason.items())],
        ),
    ]


def _classes(linkage: Linkage) -> list[Html]:
    return [
        element(
            "p",
            "Region is that of the person's last Danish address. What leads to nobody has neither "
            "sex nor region: it is unknown in both.",
        ),
        table(
            "Rows by region and sex",
            [Column("Region"), Column("Sex"), *map(number, HEADS)],
            [row[:-1] for row in _stages(linkage.quality, "region", "sex")],
        ),
        folded(
            "Rows by register and year",
            table(
                "Rows by register and year",
                [
                    Column("Register"), Column("Year"), *map(number, HEADS),
                    number("Linked of landed, %"),
                ],
                _stages(linkage.quality, "register", "year"),
            ),
            is_long=True,
        ),
        element("p", "Every class is in parquet/linkage_quality.parquet.", class_="legend"),
    ]  # fmt: skip


def _conflicts(linkage: Linkage) -> list[Html]:
    conflicts = Counter(
        (row["kind"], row["register"], row["table_name"]) for row in linkage.conflict
    )
    deaths = Counter(row["disagreement"] for row in linkage.death_disagreement)
    return [
        table(
            "Persons about whom registers contradict each other",
            [Column("What"), Column("Register"), Column("Table"), number("Persons")],
            [
                [CONFLICTS[kind], register, name, count(n)]
                for (kind, register, name), n in sorted(conflicts.items())
            ],
        ),
        table(
            "Candidates whose death is told differently",
            [Column("How"), number("Persons")],
            [[kind.replace("_", " "), count(n)] for kind, n in sorted(deaths.items())],
        ),
        element(
            "p",
            "The study's candidates among them are listed in parquet/linkage_conflict.parquet and "
            "parquet/death_disagreement.parquet; the others stay in the warehouse.",
            class_="legend",
        ),
    ]


def _stages(quality: list[dict], *by: str) -> list[list[Content]]:
    sums: dict[tuple, Counter] = {}
    for row in quality:
        n = sums.setdefault(tuple(row[name] for name in by), Counter())
        n.update({stage: row[stage] for stage in STAGES})
    return [
        [*key, *_counts(n), percent(_share(n["n_linked"], n["n_landed"]), 2)]
        for key, n in sorted(sums.items())
    ]


def _counts(n: Counter) -> Iterable[str]:
    return (count(n[stage]) for stage in STAGES)


def _share(part: int | None, whole: int | None) -> float | None:
    return part / whole if part is not None and whole else None
