"""The defects that registers have, planted on purpose, each noted with its file and row.

`CATALOGUE` names the 27 that are known from real deliveries, and three of our own; `FORMS` says how
each is planted, where, and what should become of the row. They are planted in rows of the
population, never in a patient's or a decoy's, so that what the study should find does not depend on
them. Rows of hand-written lives in which a defect stands by itself are noted all the same.
"""

import datetime as dt
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from etl.errors import SettingsError
from etl.home import file_hash, replace_json
from etl.mock.draws import NEVER, years_of
from etl.mock.life import DAY, Life
from etl.mock.numbers import Issuer, fail_modulus_11
from etl.mock.population import Population
from etl.personal_number import birth_year, passes_modulus_11

FEW = 5
BACKGROUND = "is_background"
# The file of a yearly table that defects are planted in, where a form names no other.
DEFECT_YEAR = "2012"
ICD_8_YEAR = "1990"
# Everybody whom a defect needs alive, or long dead, is so in that year.
YEAR_BEGINS, YEAR_IS_OVER = np.datetime64("2012-01-01"), np.datetime64("2013-01-01")
LONG_BEFORE = np.datetime64("2011-06-01")


@dataclass(frozen=True)
class Kind:
    """One defect of the catalogue."""

    number: int
    name: str
    planted: str
    becomes: str


CATALOGUE = (
    Kind(1, "duplicates", "a row stands twice in its file", "quarantined: duplicate"),
    Kind(2, "numbers", "the number is missing, malformed, or a replacement number",
         "quarantined with the reason; a well-formed one stays unlinked"),
    Kind(3, "changed_numbers", "a row bears a number that was changed or deleted as a double",
         "linked to the person of the number in force"),
    Kind(4, "modulus_11", "a number of 1 January without a true check digit", "linked, and told"),
    Kind(5, "contact_keys", "a contact's key padded or with blanks, or of no contact at all",
         "linked; without a contact unlinked: orphan_of_contact"),
    Kind(6, "leading_zeros", "a code has lost its leading zero", "told; restored in staging"),
    Kind(7, "admissions", "discharged before admission, or without a readable date",
         "flagged; without the day of admission quarantined"),
    Kind(8, "after_death", "a contact or an examination long after the person's death",
         "kept and flagged, beyond 30 days"),
    Kind(9, "impossible_days", "a day in the future, or 1900-01-01",
         "emptied with a finding; in a required column quarantined"),
    Kind(10, "death_days", "the certificate tells another day of death than the civil register",
         "the civil register's counts; flagged beyond 31 days"),
    Kind(11, "found_dead", "the day of death is missing, the day found is there",
         "the day found counts; told"),
    Kind(12, "open_stays", "a stay abroad that never ended, and a later Danish address",
         "flagged; the address ends the stay"),
    Kind(13, "tumours", "a tumour registered twice, or with the placeholder M9999X", "flagged"),
    Kind(14, "not_found", "a diagnosis that was looked for and not found",
         "kept, no diagnosis of the person; told"),
    Kind(15, "retracted", "a diagnosis retracted later", "kept, no diagnosis of the person; told"),
    Kind(16, "overlap", "contacts of the spring of 2019 that lie in LPR2 and in LPR3",
         "counted once; the copies are told"),
    Kind(17, "danish_letters", "Æ mangled, or beyond repair", "repaired; beyond repair a finding"),
    Kind(18, "code_systems", "an ICD-8 code after 1994, or an ICD-10 code before",
         "read by its shape; flagged"),
    Kind(19, "municipalities", "a municipality that is unknown, or was closed in 2007",
         "Uoplyst in staging; flagged"),
    Kind(20, "mother_and_child", "a birth of a man or a child, a newborn's illness of a grown-up",
         "flagged"),
    Kind(21, "columns", "columns in capitals, in another order, one too many; by name also "
         "renamed, missing and doubled ones", "read all the same; by name refused"),
    Kind(22, "truncated", "lines that break off; by name also a file cut short or miscounted",
         "quarantined: malformed_line; by name refused"),
    Kind(23, "unvalidated", "a certificate of death that nobody has validated", "counts; told"),
    Kind(24, "autopsies", "a tumour found at autopsy (hand-written persons, always there)",
         "excluded by the study's criterion"),
    Kind(25, "empty_keys", "a row without its key or a required code", "quarantined: missing"),
    Kind(26, "blanks", "codes with blanks around them", "trimmed"),
    Kind(27, "requisition_numbers", "a laboratory uses the requisition number of another",
         "kept apart by laboratory and number"),
    Kind(28, "unreadable_days", "a day that is none, or in another form",
         "emptied with a finding; in a required column quarantined"),
    Kind(29, "missing_in_words", "a missing value told in words", "read as missing"),
    Kind(30, "other_years", "a row of another year than its file's", "landed with a finding"),
)  # fmt: skip
NAMES = tuple(kind.name for kind in CATALOGUE)
OF_NAME = {kind.name: kind for kind in CATALOGUE}


@dataclass(frozen=True)
class Wanted:
    """Which defects to plant; `refused` are those whose forms may refuse a delivery."""

    names: frozenset[str]
    refused: frozenset[str]


def wanted(text: str) -> Wanted:
    """Read `all`, `none` or names with commas between. Raises SettingsError naming the known ones.

    A delivery that is refused keeps the road red, so those forms must be asked for by name.
    """
    if text in ("all", "none"):
        return Wanted(frozenset(NAMES if text == "all" else ()), frozenset())
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in OF_NAME]:
        raise SettingsError(
            f"--defects: unknown {', '.join(unknown) or 'nothing'}. Expected all, none, or names "
            f"with commas between of: {', '.join(NAMES)}. Correct the name."
        )
    return Wanted(frozenset(names), frozenset(names) & {"columns", "truncated"})


@dataclass(frozen=True)
class Defect:
    """Where a defect lies, and what should become of it."""

    number: int  # in the catalogue
    kind: str
    defect: str
    register: str
    path: str  # <delivered_on>/<file>
    row: int  # record number in the file, from 1, header not counted; 0 is the file as a whole
    # quarantined:<reason>, finding:<name>, flagged:<suite>:<check>, repaired, linked,
    # unlinked:<reason>, excluded:<where> or refused
    expected: str


Row = dict[str, object]


@dataclass(frozen=True)
class Form:
    """One way in which a defect is planted in the rows of a table.

    `change` gives the columns that change in a row. Where `is_copy`, a copy of the row is changed
    and put at the end of the file, so that the row itself stays what it was. Where `change` is
    None nothing is planted. `also` finds rows in which the defect stands already.
    """

    kind: str
    name: str
    table: str
    expected: str
    change: Callable[["Planter", Row], Row] | None
    fits: Callable[["Planter", Row], bool] = lambda planter, row: True
    period: str | None = DEFECT_YEAR
    is_copy: bool = False
    also: Callable[["Planter", pl.DataFrame], Sequence[int]] | None = None


class Planter:
    """Changes files, one frame per path, and keeps the list.

    A frame is text where the file is, and typed where it is Parquet; it says of each row whether
    it is of the population.
    """

    def __init__(
        self, seed: int, wanted: Wanted, population: Population, lives: Iterable[Life]
    ) -> None:
        self.seed, self.wanted = seed, wanted
        self.planted: list[Defect] = []
        self._used: dict[str, set[int]] = {}
        self._contacts: dict[str, tuple[str, int]] = {}
        lives = list(lives)
        # Numbers that decoys are written under → what becomes of the rows.
        self.nobody = {
            r.number_as_given: r.expected for life in lives for r in life.requisitions if r.expected
        }
        self.at_autopsy = {
            number
            for life in lives
            if life.verdict == "not_found_at_autopsy"
            for number in (life.number, *(former for former, _ in life.former_numbers))
        }
        self.used_again = {
            (r.k_inst, r.k_rekvnr)
            for life in lives
            if life.kind == "number_used_again_by_another_laboratory"
            for r in life.requisitions
        }
        self.never_ended = {
            (life.number, str(departed))
            for life in lives
            for departed, returned, correction in life.stays_abroad
            if returned is None and correction != "A"
            and any(since > departed and annulled != "A" and municipality < "900"
                    for municipality, since, _, annulled in life.addresses)
        }  # fmt: skip
        p = population
        lives_here = _lives_here(p)
        is_one = _has_one_number(p)
        has_kept = np.isin(np.arange(len(p)), p.changed, invert=True)
        doubles = p.numbers[len(p) + len(p.changed) :]
        self._people = {
            "doubled": doubles[lives_here[p.doubled]],
            "renumbered": p.numbers[p.former[p.changed]][lives_here[p.changed]],
            "alive": p.numbers[: len(p)][lives_here & is_one],
            "dead": p.numbers[: len(p)][(p.died < LONG_BEFORE) & has_kept],
        }
        self._next = dict.fromkeys(self._people, 0)
        self._running = 0
        self._asked: set[str] = set()

    def wants(self, kind: str) -> bool:
        return kind in self.wanted.names

    # ---------------------------------------------------------------- files

    def plant(
        self, register: str, table: str, period: str | None, path: str, frame: pl.DataFrame
    ) -> pl.DataFrame:
        """All defects of a table, in one of its files."""
        if table in CONTACTS:
            self._remember(table, frame)
        if table == "pato":
            self._note_nobody(register, path, frame)
        forms = [form for form in FORMS.get(table, ()) if self.wants(form.kind)]
        for form in forms:
            if form.also:
                used = self._used.setdefault(path, set())
                rows = [row for row in form.also(self, frame) if row not in used]
                used.update(rows)
                self._note(form, register, path, rows)
        for form in forms:
            if form.change and form.period == period:
                frame = self._plant(form, register, path, frame)
        return frame

    def _plant(self, form: Form, register: str, path: str, frame: pl.DataFrame) -> pl.DataFrame:
        rows = self._rows(form, path, frame)
        changed = [frame.row(row, named=True) for row in rows]
        changed = [row | form.change(self, row) for row in changed]
        if form.is_copy:
            copies = pl.DataFrame(changed, schema=frame.schema, orient="row")
            self._note(form, register, path, range(len(frame), len(frame) + len(rows)))
            return pl.concat([frame, copies.with_columns(pl.lit(False).alias(BACKGROUND))])
        self._note(form, register, path, rows)
        if not rows:
            return frame
        return frame.with_columns(
            frame[name].scatter(rows, [row[name] for row in changed]) for name in frame.columns
        )

    def column_names(
        self, register: str, table: str, period: str | None, path: str, names: list[str]
    ) -> tuple[list[str], list[str], str | None]:
        """(the columns in the order to write them, their headings, one to add) of a CSV file."""
        headings, extra = list(names), None
        if self.wants("columns") and (table, period) == ("t_sksopr", DEFECT_YEAR):
            self._note_file("columns", "columns_in_capitals_reversed", register, path, "linked")
            names = names[::-1]
            headings = [name.upper() for name in names]
        is_refused = path[:10] in {day for _, _, day, _ in REFUSED}
        if self.wants("columns") and table == "sarcoma" and not is_refused:
            extra = EXTRA_COLUMN
            self._note_file(
                "columns", "column_too_many", register, path, f"finding:extra_column_{extra}"
            )
        return names, headings, extra

    def cut_lines(
        self, register: str, table: str, period: str | None, path: str, frame: pl.DataFrame,
        text: str,
    ) -> str:  # fmt: skip
        """Lines that break off in the middle of a record."""
        form = Form("truncated", "line_breaks_off", table, "quarantined:malformed_line", None)
        if not self.wants(form.kind) or (table, period) != ("pato", DEFECT_YEAR):
            return text
        lines = text.split("\n")
        rows = self._rows(form, path, frame)
        for row in rows:
            lines[row + 1] = lines[row + 1][: len(lines[row + 1]) // 3]
        self._note(form, register, path, rows)
        return "\n".join(lines)

    def refused(self) -> list[tuple[str, str, Callable[[Path], None]]]:
        """(form, day, what spoils it) of the deliveries to write only to be refused."""
        return [
            (form, day, spoil)
            for kind, form, day, spoil in REFUSED
            if kind in self.wanted.refused
        ]  # fmt: skip

    def note_refused(self, form: str, register: str, path: str) -> None:
        kind = next(kind for kind, name, *_ in REFUSED if name == form)
        self._note_file(kind, form, register, path, "refused")

    # ---------------------------------------------------------------- what a change may ask for

    def someone(self, which: str) -> str:
        """The next number of somebody: doubled, renumbered, alive or dead in the defects' year."""
        numbers = self._people[which]
        self._next[which] += 1
        return str(numbers[(self._next[which] - 1) % len(numbers)])

    def has_someone(self, which: str) -> bool:
        return self._next[which] < len(self._people[which])

    def next_number(self) -> int:
        """A running number for what a copy is told apart by."""
        self._running += 1
        return self._running

    def is_first_with(self, number: str) -> bool:
        """Whether a requisition number is asked about for the first time."""
        is_first = number not in self._asked
        self._asked.add(number)
        return is_first

    def number_of(self, key: object) -> str:
        """Whose contact a key is; empty where nobody's."""
        return self._contacts.get(str(key).strip().lstrip("0"), ("", 0))[0]

    def age_at(self, key: object) -> int:
        """The age in years at the contact, by the number; one year more or less."""
        number, year = self._contacts[str(key).strip().lstrip("0")]
        return year - birth_year(number)

    def _remember(self, table: str, frame: pl.DataFrame) -> None:
        key, number, start = CONTACTS[table]
        self._contacts |= {
            str(k): (str(n), int(str(d)[:4]))
            for k, n, d in frame.select(key, number, start).iter_rows()
        }

    def _note_nobody(self, register: str, path: str, frame: pl.DataFrame) -> None:
        """Rows that a decoy's requisition was written in under a number of nobody."""
        form = Form("numbers", "number_of_nobody", "pato", "", None)
        for row, (number, is_background) in enumerate(frame.select("cpr", BACKGROUND).iter_rows()):
            if not is_background and (number or "") in self.nobody:
                self._note(form, register, path, [row], self.nobody[number or ""])

    # ---------------------------------------------------------------- rows

    def _rows(self, form: Form, path: str, frame: pl.DataFrame) -> list[int]:
        """A few rows that fit and that nothing else has been planted in.

        Which they are depends on the form and the file alone, as far as no other form has them.
        """
        used = self._used.setdefault(path, set())
        rng = np.random.default_rng([self.seed, 6, zlib.crc32(f"{form.name} {path}".encode())])
        chosen = []
        for row in map(int, rng.permutation(np.flatnonzero(frame[BACKGROUND].to_numpy()))):
            if len(chosen) == FEW:
                break
            if row not in used and form.fits(self, frame.row(row, named=True)):
                chosen.append(row)
        # A row that a changed copy was made of may still have a defect of its own.
        if not form.is_copy or form.kind == "duplicates":
            used.update(chosen)
        return sorted(chosen)

    def _note(
        self, form: Form, register: str, path: str, rows: Iterable[int], expected: str = ""
    ) -> None:
        number = OF_NAME[form.kind].number
        self.planted += [
            Defect(number, form.kind, form.name, register, path, row + 1, expected or form.expected)
            for row in rows
        ]

    def _note_file(self, kind: str, name: str, register: str, path: str, expected: str) -> None:
        self.planted.append(
            Defect(OF_NAME[kind].number, kind, name, register, path, 0, expected)
        )  # fmt: skip


def _lives_here(p: Population) -> np.ndarray:
    """Who lived in Denmark throughout the defects' year."""
    return (
        (p.started < YEAR_BEGINS) & (p.ended > YEAR_IS_OVER) & (p.departed == NEVER) & p.is_resident
    )


def _has_one_number(p: Population) -> np.ndarray:
    return np.isin(np.arange(len(p)), np.r_[p.changed, p.doubled], invert=True)


def in_persons(p: Population, issuer: Issuer, seed: int, wanted: Wanted) -> None:
    """The defects that lie in persons, not in files: their numbers. Changes the population.

    Nothing else of a life changes, so that the same things happen to everybody whatever is planted.
    """
    rng = np.random.default_rng([seed, 11])
    n = len(p)
    is_parent = np.isin(np.arange(n), np.r_[p.mother, p.father])
    born = years_of(p.born)
    # Since 2007 the numbers of 1 January have run out for some years of birth.
    free = _lives_here(p) & _has_one_number(p) & ~is_parent & (born >= 1965) & (born <= 1994)
    order = rng.permutation(np.flatnonzero(free))
    first, second, third = order[:FEW], order[FEW : 2 * FEW], order[2 * FEW : 3 * FEW]
    if "modulus_11" in wanted.names:
        new_year = p.born[first].astype("datetime64[Y]").astype("datetime64[D]")
        p.numbers[first] = fail_modulus_11(issuer.issue_whole(new_year, p.is_male[first]))
    if "changed_numbers" in wanted.names:
        doubles = issuer.issue_whole(p.born[second], p.is_male[second])
        formers = issuer.issue_whole(p.born[third], p.is_male[third])
        last_former = n + len(p.changed)
        p.former[third] = last_former + np.arange(len(third))
        p.changed_on[third] = np.datetime64("2012-01-01")
        p.numbers = np.r_[p.numbers[:last_former], formers, p.numbers[last_former:], doubles]
        p.changed, p.doubled = np.r_[p.changed, third], np.r_[p.doubled, second]


# -------------------------------------------------------------------- how a row changes


def _set(column: str, change: Callable[[str], object]) -> Callable[[Planter, Row], Row]:
    return lambda planter, row: {column: change(row[column])}


def _to(column: str, value: object) -> Callable[[Planter, Row], Row]:
    return lambda planter, row: {column: value}


def _has(column: str, *values: object) -> Callable[[Planter, pl.DataFrame], Sequence[int]]:
    """Rows that hold one of some values already."""
    return lambda planter, frame: (
        np.flatnonzero(frame[column].is_in(list(values)).fill_null(False).to_numpy()).tolist()
        if column in frame.columns
        else []
    )


def _replacement(number: str) -> str:
    """A national replacement number of the same century: well-formed, and unknown to CPR."""
    return f"{number[:6]}{'1' if number[6] <= '3' else '7'}QX{number[9]}"


def _days_later(text: str, days: int) -> str:
    return str(dt.date.fromisoformat(text) + days * DAY)


def _examined(which: str, letter: str) -> Callable[[Planter, Row], Row]:
    """Another examination, of somebody of that kind."""

    def change(planter: Planter, row: Row) -> Row:
        number = planter.someone(which)
        nth = planter.next_number()
        return {"cpr": number, "k_rekvnr": f"{row['k_rekvnr'][:2]}{letter}{nth:06d}"}

    return change


def _number_of_another_laboratory(planter: Planter, row: Row) -> Row:
    """The same requisition number elsewhere: a laboratory that is none of the population's."""
    return {"k_inst": "5501190", "cpr": planter.someone("alive")}


def _contact(start: int, key: str, number: str) -> Callable[[Planter, Row], Row]:
    """Another contact, of somebody who is long dead."""
    return lambda planter, row: {
        key: type(row[key])(start + int(row[key])), number: planter.someone("dead")
    }  # fmt: skip


def _own_key(**columns: object) -> Callable[[Planter, Row], Row]:
    """Another contact on which nothing hangs, with some columns changed."""
    return lambda planter, row: {"k_recnum": str(700_000_000 + int(row["k_recnum"]))} | columns


def _a_year_earlier(day: str) -> str:
    return f"{day[:5]}{int(day[5:]) - 1}"


def _someone(which: str) -> Callable[[Planter, Row], bool]:
    return lambda planter, row: planter.has_someone(which)


def _owner_is_a_man(key: str) -> Callable[[Planter, Row], bool]:
    return lambda planter, row: planter.number_of(row[key])[-1:] in tuple("13579")


def _owner_is_grown_up(key: str) -> Callable[[Planter, Row], bool]:
    return lambda planter, row: bool(planter.number_of(row[key])) and planter.age_at(row[key]) > 15


def _is_of_1_january_unchecked(number: str) -> bool:
    return number[:4] == "6101" and number.isdigit() and not passes_modulus_11(number)


def _without_check_digit(planter: Planter, frame: pl.DataFrame) -> list[int]:
    """Hand-written persons whose number is one."""
    return [
        row
        for row, (number, is_background) in enumerate(frame.select("v_pnr", BACKGROUND).iter_rows())
        if not is_background and _is_of_1_january_unchecked(number)
    ]


def _begins_with(column: str, text: str) -> Callable[[Planter, Row], bool]:
    return lambda planter, row: str(row[column]).startswith(text)


def _is_there(column: str) -> Callable[[Planter, Row], bool]:
    return lambda planter, row: bool(row[column])


def _flag(register: str, table: str, check: str) -> str:
    return f"flagged:landing.{register}.{table}:{check}"


def _flag_staged(model: str, check: str) -> str:
    return f"flagged:staging.{model}:{check}"


# -------------------------------------------------------------------- the forms

# Table → its key, whose number, and the day it began.
CONTACTS = {
    "t_adm": ("k_recnum", "v_cpr", "d_inddto"),
    "kontakter": ("dw_ek_kontakt", "cpr", "dato_start"),
}
EXTRA_COLUMN = "bemaerkning"
LPR3_SINCE = dt.date(2019, 4, 1)

FILES_WITH_COPIES = (
    ("pato", DEFECT_YEAR), ("cpr3_t_adresse_hist", None), ("t_adm", DEFECT_YEAR),
    ("t_diag", DEFECT_YEAR), ("t_sksopr", DEFECT_YEAR), ("t_tumor", None),
    ("t_dodsaarsag_1", None), ("t_dodsaarsag_2", None), ("diagnoser", None),
)  # fmt: skip
CONTACT_TABLES = (
    ("t_diag", "v_recnum", DEFECT_YEAR), ("t_sksopr", "v_recnum", DEFECT_YEAR),
    ("diagnoser", "dw_ek_kontakt", None), ("procedurer_kirurgi", "dw_ek_kontakt", None),
)  # fmt: skip
ARE_RETOLD = "diagnosis_tells_of_its_years"
FIT_THE_PERSON = "birth_and_newborn_fit_the_person"

_ALL_FORMS = (
    *(Form("duplicates", "exact_copy", table, "quarantined:duplicate", lambda planter, row: {},
           period=period, is_copy=True) for table, period in FILES_WITH_COPIES),
    # 2
    Form("numbers", "number_blank", "pato", "quarantined:blank", _to("cpr", "")),
    Form("numbers", "number_told_missing", "pato", "quarantined:blank", _to("cpr", "#N/A")),
    Form("numbers", "number_too_short", "pato", "quarantined:wrong_length",
         _set("cpr", lambda n: n[:-1])),
    Form("numbers", "number_with_hyphen", "pato", "quarantined:wrong_length",
         _set("cpr", lambda n: f"{n[:6]}-{n[6:]}")),
    Form("numbers", "number_unknown", "pato", "quarantined:unknown_number",
         _to("cpr", "0000000000")),
    Form("numbers", "number_with_odd_letter", "pato", "quarantined:forbidden_character",
         _set("cpr", lambda n: n[:9] + "X")),
    Form("numbers", "number_with_impossible_date", "pato", "quarantined:impossible_date",
         _set("cpr", lambda n: n[:2] + "13" + n[4:])),
    Form("numbers", "replacement_number", "pato", "unlinked:unknown_to_cpr",
         _set("cpr", _replacement)),
    Form("numbers", "number_blank", "t_tumor", "quarantined:blank", _to("k_cprnr", ""),
         period=None),
    Form("numbers", "number_told_missing", "t_tumor", "quarantined:blank",
         _to("k_cprnr", "Ukendt"), period=None),
    Form("numbers", "replacement_number", "t_tumor", "unlinked:unknown_to_cpr",
         _set("k_cprnr", _replacement), period=None),
    Form("numbers", "number_of_nobody", "t_dodsaarsag_1", "quarantined:unknown_number",
         _to("k_cpr", "0000000000"), period=None),
    # 3
    Form("changed_numbers", "number_deleted_as_double", "pato", "linked",
         _examined("doubled", "D"), _someone("doubled"), is_copy=True),
    Form("changed_numbers", "number_changed", "pato", "linked",
         _examined("renumbered", "C"), _someone("renumbered"), is_copy=True),
    # 4
    Form("modulus_11", "number_without_check_digit", "cpr3_t_person",
         _flag("cpr", "cpr3_t_person", "numbers_of_1_january_pass_modulus_11"),
         lambda planter, row: {"d_foddato": f"{birth_year(row['v_pnr'])}-01-01"},
         lambda planter, row: _is_of_1_january_unchecked(row["v_pnr"]), period=None,
         also=_without_check_digit),
    # 5
    *(form for table, key, period in CONTACT_TABLES for form in (
        Form("contact_keys", "contact_missing", table, "unlinked:orphan_of_contact",
             _set(key, lambda k: str(900_000_000 + int(k) % 1_000_000)), period=period),
        Form("contact_keys", "contact_key_padded", table, "linked",
             _set(key, lambda k: k.zfill(18)), period=period),
        Form("contact_keys", "contact_key_with_blanks", table, "linked",
             _set(key, lambda k: f" {int(k)} "), period=period),
    )),
    # 6
    Form("leading_zeros", "specialty_without_zero", "t_adm",
         _flag("lpr2", "t_adm", "c_spec_has_its_form"),
         _set("c_spec", lambda code: code.lstrip("0")), _begins_with("c_spec", "0")),
    Form("leading_zeros", "status_without_zero", "cpr3_t_person",
         _flag("cpr", "cpr3_t_person", "c_status_is_an_allowed_value"),
         _set("c_status", lambda code: code.lstrip("0")), _begins_with("c_status", "01"),
         period=None),
    # 7
    Form("admissions", "discharged_before_admission", "t_adm",
         _flag("lpr2", "t_adm", "discharged_on_or_after_admission"),
         lambda planter, row: {"d_uddto": _days_later(row["d_inddto"], -10)}),
    Form("admissions", "admission_date_missing", "t_adm", "quarantined:missing_d_inddto",
         _own_key(d_inddto=""), is_copy=True),
    Form("admissions", "discharge_date_unreadable", "t_adm", "finding:unreadable_d_uddto",
         _to("d_uddto", "0000-00-00")),
    # 8
    Form("after_death", "examined_after_death", "pato",
         _flag_staged("stg_patobank__code", "requested_before_death"),
         _examined("dead", "E"), _someone("dead"), is_copy=True),
    Form("after_death", "admitted_after_death", "t_adm",
         _flag_staged("stg_lpr2__contact", "begins_before_death"),
         _contact(800_000_000, "k_recnum", "v_cpr"), _someone("dead"), is_copy=True),
    Form("after_death", "seen_after_death", "kontakter",
         _flag_staged("stg_lpr3__contact", "begins_before_death"),
         _contact(800_000_000, "dw_ek_kontakt", "cpr"),
         lambda planter, row: row["dato_start"] > LPR3_SINCE and planter.has_someone("dead"),
         period=None, is_copy=True),
    # 9
    Form("impossible_days", "answered_in_the_future", "pato", "finding:future_d_svardato",
         _set("d_svardato", lambda d: "2112" + d[4:]), lambda planter, row:
         not row["d_svardato"].endswith("02-29")),
    Form("impossible_days", "received_in_1900", "pato", "finding:placeholder_d_modtdato",
         _to("d_modtdato", "1900-01-01")),
    Form("impossible_days", "requested_in_the_future", "pato", "quarantined:future_d_rekvdato",
         _set("d_rekvdato", lambda d: f"2112-{d[5:7]}-01")),
    Form("impossible_days", "requested_in_1900", "pato", "quarantined:placeholder_d_rekvdato",
         _to("d_rekvdato", "1900-01-01")),
    Form("impossible_days", "discharged_in_1900", "t_adm", "finding:placeholder_d_uddto",
         _to("d_uddto", "1900-01-01")),
    # 10
    Form("death_days", "certificate_a_year_earlier", "t_dodsaarsag_2",
         _flag_staged("stg_dar__death_2002_to_2022", "certified_day_lies_close_to_the_civil_one"),
         _set("d_dodsdato", _a_year_earlier),
         lambda planter, row: row["d_dodsdato"] and not row["d_dodsdato"].startswith("29FEB"),
         period=None),
    # 11
    Form("found_dead", "day_of_death_empty", "t_dodsaarsag_2",
         _flag("dar", "t_dodsaarsag_2", "day_of_death_is_known"), _to("d_dodsdato", ""),
         _is_there("d_findedato"), period=None, also=_has("d_dodsdato", "")),
    Form("found_dead", "day_of_death_told_missing", "t_dodsaarsag_2",
         _flag("dar", "t_dodsaarsag_2", "day_of_death_is_known"), _to("d_dodsdato", "#N/A"),
         _is_there("d_findedato"), period=None),
    # 12
    Form("open_stays", "return_missing", "cpr3_t_adresse_udland_hist",
         _flag_staged("stg_cpr__stay_abroad", "a_stay_that_goes_on_has_no_later_address"),
         _to("d_indrejse_dato", ""), _is_there("d_indrejse_dato"), period=None,
         also=lambda planter, frame: [
             row for row, stay in enumerate(frame.select("v_pnr", "d_udrejse_dato").iter_rows())
             if stay in planter.never_ended]),
    # 13
    Form("tumours", "morphology_never_coded", "t_tumor",
         _flag("dcr", "t_tumor", "morphology_is_coded"), _to("c_morfo3", "M9999X"), period=None,
         also=_has("c_morfo3", "M9999X")),
    Form("tumours", "tumour_registered_twice", "t_tumor",
         _flag("dcr", "t_tumor", "a_tumour_is_registered_once"),
         _set("k_tumornr", lambda key: f"D{key[1:]}"), period=None, is_copy=True),
    # 14, 15, 16
    Form("not_found", "looked_for_and_not_found", "t_diag",
         _flag("lpr2", "t_diag", "few_were_looked_for_and_not_found"), _to("c_diagmod", "2"),
         period=ICD_8_YEAR, also=_has("c_diagmod", "2")),
    Form("retracted", "retracted_later", "diagnoser",
         _flag("lpr3", "diagnoser", "few_are_retracted"), _to("senere_afkraeftet", "Ja"),
         period=None, also=_has("senere_afkraeftet", "Ja")),
    Form("overlap", "copy_of_an_lpr3_contact", "t_adm",
         _flag("lpr2", "t_adm", "begins_before_lpr3_took_over"), None,
         also=lambda planter, frame: np.flatnonzero(
             (frame["d_inddto"] >= str(LPR3_SINCE)).to_numpy()).tolist()),
    Form("overlap", "copy_of_an_lpr2_contact", "kontakter",
         _flag("lpr3", "kontakter", "reported_by_lpr3_itself"), None,
         also=_has("lprindberetningssystem", "LPR2")),
    # 17: Æ as UTF-8 read as windows-1252; so is the sign for a character that is lost.
    Form("danish_letters", "code_mangled", "pato", "repaired", _to("c_snomedkode", "Ã†KI030")),
    Form("danish_letters", "code_written_out", "pato", "repaired", _to("c_snomedkode", "AEKI030")),
    Form("danish_letters", "code_beyond_repair", "pato", "finding:unrepairable_c_snomedkode",
         _to("c_snomedkode", "ï¿½KI030")),
    # 18
    Form("code_systems", "icd_8_after_1994", "t_diag",
         _flag_staged("stg_lpr2__diagnosis", ARE_RETOLD), _to("c_diag", "41009")),
    Form("code_systems", "icd_10_before_1994", "t_diag",
         _flag_staged("stg_lpr2__diagnosis", ARE_RETOLD), _to("c_diag", "DI219"),
         period=ICD_8_YEAR),
    Form("code_systems", "icd_8_in_lpr3", "diagnoser",
         _flag_staged("stg_lpr3__diagnosis", ARE_RETOLD), _to("diagnosekode", "41009"),
         period=None),
    # 19
    *(Form("municipalities", name, "cpr3_t_adresse_hist",
           _flag_staged("stg_cpr__address", "municipality_is_one_of_today"), _to("c_kom", code),
           lambda planter, row: row["d_fraflyt_dato"] == "" and row["d_tilflyt_dato"] != "",
           period=None)
      for name, code in (("municipality_unknown", "000"), ("municipality_closed_in_2007", "301"))),
    # 20
    Form("mother_and_child", "birth_of_a_man", "t_diag",
         _flag_staged("stg_lpr2__diagnosis", FIT_THE_PERSON), _to("c_diag", "DO800"),
         _owner_is_a_man("v_recnum")),
    Form("mother_and_child", "newborns_illness_of_a_grown_up", "t_diag",
         _flag_staged("stg_lpr2__diagnosis", FIT_THE_PERSON), _to("c_diag", "DP071"),
         _owner_is_grown_up("v_recnum")),
    Form("mother_and_child", "birth_of_a_man", "diagnoser",
         _flag_staged("stg_lpr3__diagnosis", FIT_THE_PERSON), _to("diagnosekode", "DO800"),
         _owner_is_a_man("dw_ek_kontakt"), period=None),
    # 23
    Form("unvalidated", "certificate_not_validated", "dodsaarsager",
         _flag("dar", "dodsaarsager", "certificates_are_validated"), _to("flag_valideret", 0),
         period=None),
    # 24
    Form("autopsies", "found_at_autopsy", "pato", "excluded:not_found_at_autopsy", None,
         also=lambda planter, frame: np.flatnonzero(
             frame["cpr"].is_in(list(planter.at_autopsy)).fill_null(False).to_numpy()).tolist()),
    # 25
    Form("empty_keys", "requisition_number_missing", "pato", "quarantined:missing_k_rekvnr",
         _to("k_rekvnr", "")),
    Form("empty_keys", "recnum_empty", "t_adm", "quarantined:missing_k_recnum",
         _to("k_recnum", ""), is_copy=True),
    Form("empty_keys", "diagnosis_missing", "t_diag", "quarantined:missing_c_diag",
         _to("c_diag", "")),
    Form("empty_keys", "tumour_number_missing", "t_tumor", "quarantined:missing_k_tumornr",
         _to("k_tumornr", ""), period=None),
    # 26
    Form("blanks", "code_padded", "pato", "repaired",
         _set("c_snomedkode", lambda code: f" {code} ")),
    Form("blanks", "diagnosis_padded", "t_diag", "repaired",
         _set("c_diag", lambda code: f" {code} ")),
    Form("blanks", "diagnosis_padded", "t_tumor", "repaired",
         _set("c_icd10", lambda code: f" {code}"), period=None),
    # 27
    Form("requisition_numbers", "number_of_another_laboratory", "pato", "linked",
         _number_of_another_laboratory,
         lambda planter, row: planter.is_first_with(row["k_rekvnr"]), is_copy=True),
    Form("requisition_numbers", "number_of_another_laboratory", "pato",
         "excluded:not_a_candidate", None,
         also=lambda planter, frame: [
             row for row, key in enumerate(frame.select("k_inst", "k_rekvnr").iter_rows())
             if key in planter.used_again]),
    # 28
    Form("unreadable_days", "requisition_date_unreadable", "pato",
         "quarantined:unreadable_d_rekvdato", _to("d_rekvdato", "31-02-94")),
    Form("unreadable_days", "received_date_impossible", "pato", "finding:unreadable_d_modtdato",
         _set("d_modtdato", lambda d: d[:5] + "02-31")),
    Form("unreadable_days", "move_date_unreadable", "cpr3_t_adresse_hist",
         "finding:unreadable_d_tilflyt_dato", _to("d_tilflyt_dato", "0000-00-00"), period=None),
    Form("unreadable_days", "operation_date_unreadable", "t_sksopr",
         "finding:unreadable_d_odto", _to("d_odto", "00JAN2012")),
    Form("unreadable_days", "date_of_death_unreadable", "t_dodsaarsag_1",
         "quarantined:unreadable_d_dodsdto", _to("d_dodsdto", "31FEB1994"), period=None),
    Form("unreadable_days", "date_found_unreadable", "t_dodsaarsag_2",
         "finding:unreadable_d_findedato", _to("d_findedato", "1994-03-01"), period=None),
    # 29
    Form("missing_in_words", "answered_date_told_missing", "pato", "linked",
         _to("d_svardato", "Uoplyst")),
    Form("missing_in_words", "specimen_kind_told_missing", "pato", "linked",
         _to("c_mattype", "Ukendt")),
    Form("missing_in_words", "diagnosis_told_missing", "t_adm", "linked", _to("c_adiag", "#N/A")),
    # 30
    Form("other_years", "row_of_another_year", "pato", "finding:outside_period",
         _set("d_rekvdato", lambda d: f"{int(d[:4]) - 1}{d[4:]}"),
         lambda planter, row: not row["d_rekvdato"].endswith("02-29")),
)  # fmt: skip
FORMS: dict[str, list[Form]] = {}
for _form in _ALL_FORMS:
    FORMS.setdefault(_form.table, []).append(_form)


# -------------------------------------------------------------------- deliveries to be refused


def _rewrite(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    """Another header and a manifest that agrees with it: only the contract can tell."""

    def spoil(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        (listed,) = manifest["files"]
        path = folder / listed["path"]
        path.write_bytes("\n".join(change(path.read_bytes().decode("windows-1252").split("\n")))
                         .encode("windows-1252"))  # fmt: skip
        listed |= {"bytes": path.stat().st_size, "sha256": file_hash(path)}
        replace_json(folder / "manifest.json", manifest)

    return spoil


def _renamed(lines: list[str]) -> list[str]:
    return [lines[0].replace("diagnosis_date", "date_of_diagnosis"), *lines[1:]]


def _missing(lines: list[str]) -> list[str]:
    """Without its first column, the personal number."""
    return [line.partition(";")[2] for line in lines]


def _doubled(lines: list[str]) -> list[str]:
    return [f"{lines[0]};GRADE", *(line and f"{line};" for line in lines[1:])]


def _cut_short(folder: Path) -> None:
    """The connection broke: the manifest is true, the file is not all there."""
    (path,) = folder.glob("*.csv")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def _last_rows_lost(lines: list[str]) -> list[str]:
    """Whole lines are gone, and the checksum was made afterwards: only the count can tell."""
    return [*lines[:-4], ""]


# (kind, form, day of the delivery, what spoils it)
REFUSED: tuple[tuple[str, str, str, Callable[[Path], None]], ...] = (
    ("columns", "column_renamed", "2023-06-01", _rewrite(_renamed)),
    ("columns", "column_missing", "2023-06-02", _rewrite(_missing)),
    ("columns", "column_doubled_by_case", "2023-06-03", _rewrite(_doubled)),
    ("truncated", "file_cut_short", "2023-06-05", _cut_short),
    ("truncated", "rows_lost", "2023-06-06", _rewrite(_last_rows_lost)),
)
