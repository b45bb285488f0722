"""The answer sheet: what the chain should find. Holds personal numbers; lies outside deliveries."""

import csv
import dataclasses
import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from etl.mock.defects import Defect
from etl.mock.life import Life, Requisition
from etl.mock.population import Population

NO_PERSON, NOT_A_CANDIDATE, INCLUDED = "no_person", "not_a_candidate", "included"
OUTCOMES = ("metastasis", "local_recurrence")


@dataclass(frozen=True)
class Sheet:
    """The steps of a study's flow, and the factors that its lives are held to.

    Written here a second time on purpose: the answer sheet must not be computed by what it is there
    to check.
    """

    criteria: tuple[str, ...]
    factors: tuple[str, ...]
    folder: str = ""  # below the answers; the first study's sheet lies in them


SHEETS = {
    "dlms": Sheet(
        (
            "primary_tumour",
            "reviewable",
            "confirmed_dlms",
            "index_date_1980_2022",
            "resident",
            "not_found_at_autopsy",
            "followed_for_a_day",
        ),
        ("necrosis", "mitotic_grade", "invasion", "margins", "risk_group"),
    ),
    "afx_pds": Sheet(
        (
            "primary_tumour",
            "reviewable",
            "confirmed_afx_or_pds",
            "index_date_2002_2022",
            "resident",
            "not_found_at_autopsy",
            "followed_for_a_day",
        ),
        ("entity", "size", "margins", "invasion", "sex", "age"),
        "afx_pds",
    ),
}
README = """\
What the mock registers hold, and what Kobling should find in them.

persons.csv   every person written by hand for the first study, dlms: the name of a named case
              (etl/mock/cases.py says what is odd about each), number in force, former numbers,
              verdict (included, the criterion that fails first, no_person or not_a_candidate),
              index date, and per outcome the days from the index date, the event (0 censored,
              1 outcome, 2 death) or prevalent; factor levels (empty = missing); twists that must
              change nothing
flow.csv      the steps of the study's flow with the numbers that go in, leave and go on
defects.csv   every planted defect, by its number in the catalogue and its form: file, record number
              (0 is the file as a whole), and what should become of it. Forms that refuse a delivery
              (of columns and truncated) are planted only by name: kobling mock --defects NAME
cross_checks.csv   per person and check where the case, the outcome or the death should be found:
              cancer_registry (both, cohort, cancer_registry), metastasis (both, outcome, hospital),
              death (dates_differ, not_in_civil_register, not_in_cause_of_death_register)
afx_pds/      persons.csv, flow.csv and cross_checks.csv of the second study, in the same form. Whom
              one study's sheet names is no candidate of the other
linkage.csv   what the marts of linkage should count, by table: conflicts between registers, in
              persons, and rows that were lost, by reason (not those that the lives of nobody
              left in cpr, lpr2 and lpr3)
numbers.txt   every personal number that stands anywhere in the deliveries

Everybody is made up: days 61 to 91 of a month do not exist.
"""


class Numbers:
    """numbers.txt, which grows with each block of the population."""

    def __init__(self, folder: Path, lives: list[Life]) -> None:
        self._file = (folder / "numbers.txt").open("w", encoding="utf-8", newline="\n")
        numbers = set()
        for life in lives:
            numbers |= {life.number, *(number for number, _ in life.former_numbers)}
            numbers |= {r.number_as_given for r in life.requisitions if r.number_as_given}
        # What is no number by its look cannot be searched for.
        searchable = sorted(number for number in numbers if len(number) == 10 and number.strip("0"))
        self._file.writelines(f"{number}\n" for number in searchable)

    def add(self, population: Population) -> None:
        """Every number of a block, changed and deleted ones too."""
        self._file.write("\n".join([*population.text, ""]))

    def __enter__(self) -> "Numbers":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def write(folder: Path, lives: list[Life], defects: Iterable[Defect]) -> None:
    """Write the rest of the sheet into a folder."""
    (folder / "README.txt").write_text(README, encoding="utf-8")
    for study, sheet in SHEETS.items():
        _write_study(folder / sheet.folder, sheet, [life for life in lives if life.study == study])
    defects = list(defects)
    _table(folder / "linkage.csv", _linkage(lives, defects))
    _table(folder / "defects.csv", (dataclasses.asdict(defect) for defect in defects))


def _write_study(folder: Path, sheet: Sheet, lives: list[Life]) -> None:
    """What one study should find of the lives that were written for it."""
    folder.mkdir(exist_ok=True)
    _table(folder / "persons.csv", (_person(life, sheet) for life in lives))
    _table(folder / "flow.csv", _flow(lives, sheet))
    _table(
        folder / "cross_checks.csv",
        (
            {"name": life.name, "number": life.number, "check": check, "found_in": found}
            for life in lives
            for check, found in sorted(life.cross_checks.items())
        ),
    )


# Form of a defect → the conflict that it makes.
CONFLICT_OF = {
    "examined_after_death": "event_after_death",
    "admitted_after_death": "event_after_death",
    "seen_after_death": "event_after_death",
    "birth_of_a_man": "childbirth_of_a_man",
}

TABLE_OF_FILE = re.compile(r"(\d{4})?\.\w+$")
OF_LIVES = ("pato", "number_of_nobody")


def _linkage(lives: list[Life], defects: list[Defect]) -> Iterable[dict]:
    """Conflicts in persons of a table, losses in rows of it."""
    n = Counter()
    for defect in defects:
        table = TABLE_OF_FILE.sub("", defect.path.split("/")[1])
        what, _, reason = defect.expected.partition(":")
        if defect.defect in CONFLICT_OF:
            n["conflict", CONFLICT_OF[defect.defect], defect.register, table] += 1
        # What lives wrote into pathology stands in files of two deliveries; counted below.
        if what in ("quarantined", "unlinked") and (table, defect.defect) != OF_LIVES:
            n["loss", reason, defect.register, table] += 1
    for life in lives:
        for requisition in life.requisitions:
            if reason := _nobody_because(life, requisition):
                codes = sum(map(len, requisition.specimens))
                n["loss", reason, "patobank", "pato"] += codes
    for (what, kind, register, table), rows in sorted(n.items()):
        yield {"what": what, "kind": kind, "register": register, "table": table, "n": rows}


def _nobody_because(life: Life, requisition: Requisition) -> str | None:
    """Why a requisition leads to nobody, of its number or of the whole life; None where it does."""
    if requisition.number_as_given is not None:
        return (requisition.expected or "").partition(":")[2] or None
    if not life.is_in_cpr:
        return "unknown_to_cpr"
    return {"30": "annulled", "cycle": "cycle", "missing": "missing_current_number"}.get(
        life.status
    )


def _table(path: Path, rows: Iterable[dict]) -> None:
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0] if rows else ["nothing"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _person(life: Life, sheet: Sheet) -> dict:
    row = {
        "name": life.name,
        "kind": life.kind,
        "case": life.case,
        "number": life.number,
        "former_numbers": " ".join(number for number, _ in life.former_numbers),
        "verdict": life.verdict,
        "index_date": life.index_date or "",
    }
    for outcome in OUTCOMES:
        days, event, is_prevalent = life.outcomes.get(outcome, (None, None, False))
        occurred = event == 1 and life.index_date
        row[f"{outcome}_days"] = "" if days is None else days
        row[f"{outcome}_event"] = "" if event is None else event
        row[f"{outcome}_date"] = life.index_date + dt.timedelta(days=days) if occurred else ""
        row[f"{outcome}_is_prevalent"] = "yes" if is_prevalent else ""
    for factor in sheet.factors:
        row[factor] = life.factors.get(factor) or ""
    row["twists"] = " ".join(life.twists)
    return row


def _flow(lives: list[Life], sheet: Sheet) -> Iterable[dict]:
    verdicts = Counter(life.verdict for life in lives)
    persons = [life for life in lives if life.verdict in (INCLUDED, *sheet.criteria)]
    of_nobody = verdicts[NO_PERSON]
    n = len(persons)
    yield _step(0, "leads_to_a_person", "requisitions", "", of_nobody)
    yield _step(1, "candidate", "persons", n, 0)
    for step, criterion in enumerate(sheet.criteria, 2):
        yield _step(step, criterion, "persons", n, verdicts[criterion])
        n -= verdicts[criterion]


def _step(step: int, criterion: str, unit: str, n_in: int | str, n_excluded: int) -> dict:
    return {
        "step": step,
        "criterion": criterion,
        "unit": unit,
        "n_in": n_in,
        "n_excluded": n_excluded,
        "n_out": "" if n_in == "" else n_in - n_excluded,
    }
